// kstatus prints how tools that wait for Kubernetes objects assess them.
//
// It reads objects from standard input, one JSON object per line, and prints one line for each:
// {"status": "...", "message": "..."}. The first argument selects the tool:
//
//	kstatus kstatus                the kstatus library, as `flux`, Flux and kpt use it
//	kstatus argocd health.lua      an Argo CD health check, with the input Argo CD gives it
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

// Verdict is a tool's assessment of an object.
type Verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// Judge assesses an object as one of the tools does.
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
	// UnmarshalJSON makes integers int64, as API server clients do; json.Unmarshal would not.
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
