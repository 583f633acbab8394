"""Cases of gRPC's interoperability suite by grpcio, and what only this client shows.

    grpc_client.py DESCRIPTORS HOST:PORT

Prints a line of JSON for each case: its name, and what went wrong if something did.
"""

import json
import os
import queue
import sys
import traceback

import grpc
from google.protobuf import any_pb2
from grpc_descriptors import DETAILS, INITIAL, SERVICE, TRAILING, Messages

messages = Messages(sys.argv[1])
channel = grpc.insecure_channel(sys.argv[2])
REQUEST_SIZES = [27182, 8, 1828, 45904]
RESPONSE_SIZES = [31415, 9, 2653, 58979]
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


def method(kind, name, response, service=SERVICE):
    return kind(
        f"/{service}/{name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=getattr(messages, response).FromString,
    )


empty_call = method(channel.unary_unary, "EmptyCall", "Empty")
unary_call = method(channel.unary_unary, "UnaryCall", "SimpleResponse")
output_call = method(channel.unary_stream, "StreamingOutputCall", "StreamingOutputCallResponse")
input_call = method(channel.stream_unary, "StreamingInputCall", "StreamingInputCallResponse")
duplex_call = method(channel.stream_stream, "FullDuplexCall", "StreamingOutputCallResponse")


def expect(seen, wanted):
    assert seen == wanted, f"{seen!r} is not {wanted!r}"


def payload(size):
    return messages.Payload(body=bytes(size))


def duplex_request(size, response):
    wanted = [messages.ResponseParameters(size=response)]
    return messages.StreamingOutputCallRequest(response_parameters=wanted, payload=payload(size))


def error_of(action):
    try:
        action()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call should have failed")


def silence():
    """Requests that never come, until the call is over."""
    yield from iter(queue.Queue().get, None)


def empty_unary():
    expect(empty_call(messages.Empty(), timeout=10), messages.Empty())


def large_unary(size=271828, response_size=314159, **more):
    request = messages.SimpleRequest(response_size=response_size, payload=payload(size))
    expect(len(unary_call(request, timeout=10, **more).payload.body), response_size)


def client_compressed_unary():
    large_unary(compression=grpc.Compression.Gzip)


def largest_message():
    large_unary(4 * 1024 * 1024 - 100, 4 * 1024 * 1024 - 100)


def too_large_request():
    error = error_of(lambda: large_unary(4 * 1024 * 1024, 1))
    expect(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
    empty_unary()


def client_streaming():
    requests = (messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES)
    expect(input_call(requests, timeout=10).aggregated_payload_size, 74922)


def server_streaming():
    wanted = [messages.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    responses = output_call(messages.StreamingOutputCallRequest(response_parameters=wanted), timeout=10)
    expect([len(response.payload.body) for response in responses], RESPONSE_SIZES)


def ping_pong():
    requests = queue.Queue()
    responses = duplex_call(iter(requests.get, None), timeout=10)
    for size, response in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.put(duplex_request(size, response))
        expect(len(next(responses).payload.body), response)
    requests.put(None)
    expect(list(responses), [])


def empty_stream():
    expect(list(duplex_call(iter(()), timeout=10)), [])


def custom_metadata():
    value = b"\xab\x00\xab\n\x0b"
    sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, value))
    request = messages.SimpleRequest(response_size=1, payload=payload(1))
    _, unary = unary_call.with_call(request, metadata=sent, timeout=10)
    duplex = duplex_call(iter([duplex_request(1, 1)]), metadata=sent, timeout=10)
    expect(len(list(duplex)), 1)
    for call in (unary, duplex):
        expect(dict(call.initial_metadata()).get(INITIAL), "test_initial_metadata_value")
        expect(dict(call.trailing_metadata()).get(TRAILING), value)


def repeated_binary_metadata():
    values = [b"\xab\x00\xab\n\x0b", b"\xff", b"", b"\x00\x01\x02"]
    sent = tuple((TRAILING, value) for value in values)
    _, call = unary_call.with_call(messages.SimpleRequest(response_size=1), metadata=sent, timeout=10)
    expect([value for name, value in call.trailing_metadata() if name == TRAILING], values)


def status_code_and_message(message="test status message"):
    status = messages.EchoStatus(code=2, message=message)
    unary = messages.SimpleRequest(response_status=status)
    stream = messages.StreamingOutputCallRequest(response_status=status)
    for action in (
        lambda: unary_call(unary, timeout=10),
        lambda: list(duplex_call(iter([stream]), timeout=10)),
    ):
        error = error_of(action)
        expect((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, message))


def special_status_message():
    status_code_and_message(SPECIAL)


def details_in(status):
    """Type and value of the details in a google.rpc.Status, read by hand: details = 3, all fields below 128 bytes."""
    found, at = [], 0
    while at < len(status):
        tag, size = status[at], status[at + 1]
        at += 2
        if tag == 0x08:
            continue
        assert size < 128, status
        if tag == 0x1A:
            detail = any_pb2.Any.FromString(status[at : at + size])
            found.append((detail.type_url.rsplit("/", 1)[-1], detail.value))
        at += size
    return found


def error_details():
    status = messages.EchoStatus(code=9, message="with details ✓")
    request = messages.SimpleRequest(response_status=status)
    error = error_of(lambda: unary_call(request, metadata=(("x-want-details", "1"),), timeout=10))
    expect(error.code(), grpc.StatusCode.FAILED_PRECONDITION)
    details = dict(error.trailing_metadata())[DETAILS]
    known, unknown, payload = details_in(details)
    expect(known, ("grpc.testing.EchoStatus", status.SerializeToString()))
    expect(unknown, ("test.of.nobody.Known", b"\x08\x96\x01"))
    expect(payload, ("grpc.testing.Payload", messages.Payload(body=b"\x01\x02\x03").SerializeToString()))


def unimplemented_method():
    call = method(channel.unary_unary, "UnimplementedCall", "Empty")
    expect(error_of(lambda: call(messages.Empty(), timeout=10)).code(), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service():
    call = method(channel.unary_unary, "UnimplementedCall", "Empty", "grpc.testing.UnimplementedService")
    expect(error_of(lambda: call(messages.Empty(), timeout=10)).code(), grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin():
    call = input_call.future(silence(), timeout=10)
    call.cancel()
    assert call.cancelled()


def cancel_after_first_response():
    requests = queue.Queue()
    responses = duplex_call(iter(requests.get, None), timeout=10)
    requests.put(duplex_request(27182, 31415))
    expect(len(next(responses).payload.body), 31415)
    responses.cancel()
    expect(error_of(lambda: next(responses)).code(), grpc.StatusCode.CANCELLED)
    requests.put(None)


def deadline_in_mid_stream():
    wanted = [messages.ResponseParameters(size=1), messages.ResponseParameters(size=1, interval_us=20_000_000)]
    request = messages.StreamingOutputCallRequest(response_parameters=wanted)
    error = error_of(lambda: list(output_call(request, timeout=0.3)))
    expect(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


CASES = (
    empty_unary,
    large_unary,
    client_compressed_unary,
    largest_message,
    too_large_request,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    custom_metadata,
    repeated_binary_metadata,
    status_code_and_message,
    special_status_message,
    error_details,
    unimplemented_method,
    unimplemented_service,
    cancel_after_begin,
    cancel_after_first_response,
    deadline_in_mid_stream,
)

for case in CASES:
    outcome = {"name": case.__name__}
    try:
        case()
    except Exception:
        outcome["problem"] = traceback.format_exc()
    print(json.dumps(outcome), flush=True)
# Threads that wait for requests of cancelled calls must not hold up the end.
channel.close()
os._exit(0)
