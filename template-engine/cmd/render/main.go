// The same engine as a native program, for tests: a request per line in, an answer per line out.
package main

import (
	"bufio"
	"os"

	"vault-secrets-operator/template-engine/engine"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		if _, err := out.Write(append(engine.Run(lines.Bytes()), '\n')); err != nil {
			os.Exit(1)
		}
		if err := out.Flush(); err != nil {
			os.Exit(1)
		}
	}
}
