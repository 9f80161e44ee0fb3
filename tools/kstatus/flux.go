package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// byFlux assesses an object as Flux's kustomize-controller does with `spec.healthCheckExprs`.
func byFlux(file string) (Judge, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var expressions kustomize.HealthCheckExpressions
	if err := json.Unmarshal(text, &expressions); err != nil {
		return nil, err
	}
	evaluator, err := cel.NewStatusEvaluator(&expressions)
	if err != nil {
		return nil, err
	}
	return func(object *unstructured.Unstructured) (Verdict, error) {
		result, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return Verdict{}, err
		}
		return Verdict{Status: result.Status.String(), Message: result.Message}, nil
	}, nil
}
