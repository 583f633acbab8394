"""Calls the Lake with grpcio and prints its responses as JSON.

    client.py DESCRIPTORS HOST:PORT [CA CERT KEY]

The messages are made from the descriptors that buf builds: no generated code, no plugin.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

descriptors, target, *tls = sys.argv[1:]
files = descriptor_pb2.FileDescriptorSet()
with open(descriptors, "rb") as file:
    files.ParseFromString(file.read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)


def message(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"datapunk.lake.v1.{name}"))


def read(path):
    with open(path, "rb") as file:
        return file.read()


if tls:
    ca, cert, key = map(read, tls)
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(ca, key, cert))
else:
    channel = grpc.insecure_channel(target)

with channel:
    methods = {}
    for name, kind in (("ListDatasets", channel.unary_unary), ("QueryRows", channel.unary_stream)):
        methods[name] = kind(
            f"/datapunk.lake.v1.LakeService/{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message(f"{name}Response").FromString,
        )
    response = methods["ListDatasets"](message("ListDatasetsRequest")(), timeout=10)
    rows = methods["QueryRows"](message("QueryRowsRequest")(name="weather", limit=1000), timeout=10)
    print(
        json.dumps(
            {
                "datasets": [{"name": d.name, "rows": d.rows, "sha256": d.sha256} for d in response.datasets],
                "streamed": [row.index for row in rows],
            }
        )
    )
