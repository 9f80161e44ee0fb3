package main

import (
	"context"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The Lua libraries that Argo CD opens for a health check: not string, math, io or debug.
var libraries = map[string]lua.LGFunction{
	lua.LoadLibName: lua.OpenPackage,
	lua.BaseLibName: lua.OpenBase,
	lua.TabLibName:  lua.OpenTable,
}

var healthStatuses = map[string]bool{
	"Healthy": true, "Progressing": true, "Degraded": true, "Suspended": true, "Missing": true, "Unknown": true,
}

// byArgoCD assesses an object as Argo CD does (util/lua and its gitops engine) with a custom resource
// health check. Argo CD's own module is not imported because it replaces half of Kubernetes' modules.
func byArgoCD(file string) (Judge, error) {
	script, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return func(object *unstructured.Unstructured) (Verdict, error) {
		// Argo CD does not run the script for an object that is being deleted.
		if object.GetDeletionTimestamp() != nil {
			return Verdict{Status: "Progressing", Message: "Pending deletion"}, nil
		}
		return runHealthCheck(string(script), object)
	}, nil
}

func runHealthCheck(script string, object *unstructured.Unstructured) (Verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range libraries {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return Verdict{}, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(script); err != nil {
		return Verdict{}, err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return Verdict{}, fmt.Errorf("the script must return a table, not %s", state.Get(-1).Type())
	}
	verdict := Verdict{
		Status:  lua.LVAsString(result.RawGetString("status")),
		Message: lua.LVAsString(result.RawGetString("message")),
	}
	if !healthStatuses[verdict.Status] {
		return Verdict{}, fmt.Errorf("%q is not a health status", verdict.Status)
	}
	return verdict, nil
}

// toLua converts a value as Argo CD does; all numbers become floating point.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		array := state.CreateTable(len(value), 0)
		for _, item := range value {
			array.Append(toLua(state, item))
		}
		return array
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}
