// kstatus says what tools that wait for Kubernetes objects make of them.
//
// It reads objects from standard input, a JSON object a line, and prints a line for each:
// {"status": "...", "message": "..."}. Who judges is its first argument:
//
//	kstatus kstatus                the kstatus library, as `flux`, Flux and kpt use it
//	kstatus argocd health.lua      a health check of Argo CD, given what Argo CD gives it
//	kstatus flux health.json       a healthCheckExprs entry of a Flux Kustomization
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Verdict is what a tool makes of an object.
type Verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// Judge is one of the tools.
type Judge func(*unstructured.Unstructured) (Verdict, error)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	judge, err := judgeFor(args)
	if err != nil {
		return err
	}
	lines, verdicts := bufio.NewReader(in), json.NewEncoder(out)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		verdict, err := judgeLine(judge, line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := verdicts.Encode(verdict); err != nil {
			return err
		}
	}
}

func judgeLine(judge Judge, line []byte) (Verdict, error) {
	// It makes integers int64, as clients of an API server do; json.Unmarshal would not.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(line); err != nil {
		return Verdict{}, err
	}
	return judge(object)
}

func judgeFor(args []string) (Judge, error) {
	switch {
	case len(args) == 1 && args[0] == "kstatus":
		return byKstatus, nil
	case len(args) == 2 && args[0] == "argocd":
		return byArgoCD(args[1])
	case len(args) == 2 && args[0] == "flux":
		return byFlux(args[1])
	}
	return nil, errors.New("usage: kstatus kstatus | argocd HEALTH.LUA | flux HEALTH.JSON")
}
