"""gRPC's test service, served by grpcio.

    grpc_server.py DESCRIPTORS

Prints its port as a line of JSON and ends with its standard input.
"""

import json
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from grpc_descriptors import DETAILS, INITIAL, SERVICE, TRAILING, Messages

messages = Messages(sys.argv[1])
codes = {code.value[0]: code for code in grpc.StatusCode}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def details_of(status):
    """A google.rpc.Status, written by hand: code = 1, message = 2, details = 3."""
    known, payload = any_pb2.Any(), any_pb2.Any()
    known.Pack(status)
    payload.Pack(messages.Payload(body=b"\x01\x02\x03"))
    unknown = any_pb2.Any(type_url="type.googleapis.com/test.of.nobody.Known", value=b"\x08\x96\x01")
    out = b"\x08" + varint(status.code)
    fields = [(b"\x12", status.message.encode())]
    fields += [(b"\x1a", detail.SerializeToString()) for detail in (known, unknown, payload)]
    for tag, value in fields:
        out += tag + varint(len(value)) + value
    return out


def echo_metadata(context):
    sent = context.invocation_metadata()
    initial = tuple((name, value) for name, value in sent if name == INITIAL)
    if initial:
        context.send_initial_metadata(initial)
    context.set_trailing_metadata(tuple((name, value) for name, value in sent if name == TRAILING))


def fail_when_asked(request, context):
    status = request.response_status
    if status.code == 0:
        return
    if any(name == "x-want-details" for name, _ in context.invocation_metadata()):
        context.set_trailing_metadata(((DETAILS, details_of(status)),))
    context.abort(codes[status.code], status.message)


def payload_of(size):
    return messages.Payload(body=bytes(size))


def responses(request, context):
    for wanted in request.response_parameters:
        slept = 0
        while slept < wanted.interval_us and context.is_active():
            time.sleep(0.01)
            slept += 10_000
        yield messages.StreamingOutputCallResponse(payload=payload_of(wanted.size))


def empty_call(request, context):
    return messages.Empty()


def unary_call(request, context):
    echo_metadata(context)
    fail_when_asked(request, context)
    return messages.SimpleResponse(payload=payload_of(request.response_size))


def streaming_input_call(requests, context):
    size = sum(len(request.payload.body) for request in requests)
    return messages.StreamingInputCallResponse(aggregated_payload_size=size)


def full_duplex_call(requests, context):
    echo_metadata(context)
    for request in requests:
        fail_when_asked(request, context)
        yield from responses(request, context)


def handler(kind, behavior, request):
    return kind(
        behavior,
        request_deserializer=getattr(messages, request).FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )


# Both ways, 8 MiB: the largest case is larger than the default, by the envelope.
limits = [("grpc.max_receive_message_length", 8 << 20), ("grpc.so_reuseport", 0)]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=limits)
handlers = {
    "EmptyCall": handler(grpc.unary_unary_rpc_method_handler, empty_call, "Empty"),
    "UnaryCall": handler(grpc.unary_unary_rpc_method_handler, unary_call, "SimpleRequest"),
    "StreamingOutputCall": handler(
        grpc.unary_stream_rpc_method_handler, responses, "StreamingOutputCallRequest"
    ),
    "StreamingInputCall": handler(
        grpc.stream_unary_rpc_method_handler, streaming_input_call, "StreamingInputCallRequest"
    ),
    "FullDuplexCall": handler(
        grpc.stream_stream_rpc_method_handler, full_duplex_call, "StreamingOutputCallRequest"
    ),
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"port": port}), flush=True)
sys.stdin.read()
server.stop(0)
