// The server of gRPC's interoperability suite in Go, on a port of the loopback device that the system chooses.
// It prints its port as a line of JSON and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The largest case is larger than Go's own limit, by the envelope.
	server := grpc.NewServer(grpc.MaxRecvMsgSize(8 << 20))
	grpc_testing.RegisterTestServiceServer(server, interop.NewTestServer())
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.Serve(listener))
}
