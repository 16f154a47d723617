//go:build wasip1

// The WebAssembly module: a buffer for requests, and one function that answers them.
package main

import (
	"unsafe"

	"vault-secrets-operator/template-engine/engine"
)

// The buffers stay referenced here while the host reads and writes them.
var request, answer []byte

// prepare makes room for a request of size bytes and tells where.
//
//go:wasmexport prepare
func prepare(size uint32) uint32 {
	request = make([]byte, size+1)
	return address(request)
}

// run answers the request that was written there; the address of the answer is in the high half, its length in the low.
//
//go:wasmexport run
func run(size uint32) uint64 {
	answer = engine.Run(request[:size])
	request = nil
	return uint64(address(answer))<<32 | uint64(len(answer))
}

func address(buffer []byte) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(buffer))))
}

func main() {}
