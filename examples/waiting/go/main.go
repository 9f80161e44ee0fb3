// wait-until-ready waits until a plugin can be used: wait-until-ready NAMESPACE NAME TIMEOUT
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
)

var floePlugins = schema.GroupVersionResource{Group: "floe.dev", Version: "v1alpha1", Resource: "floeplugins"}

// FloePlugin has the fields needed to wait for a plugin.
type FloePlugin struct {
	metav1.ObjectMeta `json:"metadata"`
	Status            struct {
		ObservedGeneration int64              `json:"observedGeneration"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// IsReady reports whether the plugin can be used with its current spec. An error means that waiting will not help.
func IsReady(plugin *FloePlugin) (bool, error) {
	conditions := plugin.Status.Conditions
	if plugin.DeletionTimestamp != nil || plugin.Status.ObservedGeneration != plugin.Generation {
		return false, nil // being deleted, or the conditions belong to an earlier spec
	}
	if stalled := meta.FindStatusCondition(conditions, "Stalled"); stalled != nil {
		return false, fmt.Errorf("%s is stalled: %s: %s", plugin.Name, stalled.Reason, stalled.Message)
	}
	if meta.FindStatusCondition(conditions, "Reconciling") != nil {
		return false, nil // even with Ready=True: a change, such as a new Secret value, is being tried
	}
	return meta.IsStatusConditionTrue(conditions, "Ready"), nil
}

// WaitUntilReady waits until the plugin is ready. It returns an error if the plugin is stalled or ctx ends.
func WaitUntilReady(ctx context.Context, client dynamic.Interface, namespace, name string) error {
	objects := client.Resource(floePlugins).Namespace(namespace)
	only := func(options metav1.ListOptions) metav1.ListOptions {
		options.FieldSelector = "metadata.name=" + name
		return options
	}
	lister := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, only(options))
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, only(options))
		},
	}
	ready := func(event watch.Event) (bool, error) {
		if event.Type == watch.Deleted {
			return false, nil // the operator recreates the object of an installed plugin
		}
		var plugin FloePlugin
		content := event.Object.(*unstructured.Unstructured).Object
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &plugin); err != nil {
			return false, err
		}
		return IsReady(&plugin)
	}
	// UntilWithSync lists and watches, and starts again when a watch ends.
	_, err := watchtools.UntilWithSync(ctx, lister, &unstructured.Unstructured{}, nil, ready)
	return err
}

func run(namespace, name, timeout string) error {
	within, err := time.ParseDuration(timeout)
	if err != nil {
		return err
	}
	rules, overrides := clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err = WaitUntilReady(ctx, client, namespace, name)
	if wait.Interrupted(err) {
		return fmt.Errorf("%s is not ready after %s", name, within)
	}
	return err
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: wait-until-ready NAMESPACE NAME TIMEOUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(os.Args[2], "is ready")
}
