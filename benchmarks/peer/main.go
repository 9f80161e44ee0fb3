// floe-bench-peer is what benchmarks compare the operator with: the least that a usual controller-runtime
// operator does with FloePlugins. It has eight workers, no limit of requests and no leader election. It loads
// no plugin and has one rule: what a Secret gives must be a number.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	workers  = 8
	bySecret = "spec.configFrom.secretKeyRef.name"
)

type reconciler struct {
	client.Client               // reads from the cache
	live          client.Reader // reads from the API server: the cache has no Secret's data
}

// Reconcile judges one object, and writes its status if that changes it.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var plugin FloePlugin
	if err := r.Get(ctx, request.NamespacedName, &plugin); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	fault, err := r.fault(ctx, &plugin)
	if err != nil {
		return reconcile.Result{}, err
	}
	before := plugin.Status.DeepCopy()
	judge(&plugin, fault)
	if equality.Semantic.DeepEqual(before, &plugin.Status) {
		return reconcile.Result{}, nil
	}
	// A conflict is an error like others: it is retried after 5 ms.
	return reconcile.Result{}, client.IgnoreNotFound(r.Status().Update(ctx, &plugin))
}

// fault returns what is wrong with the configuration, or nothing.
func (r *reconciler) fault(ctx context.Context, plugin *FloePlugin) (string, error) {
	for _, source := range plugin.Spec.ConfigFrom {
		if source.SecretKeyRef == nil {
			continue
		}
		var secret corev1.Secret
		name := types.NamespacedName{Namespace: plugin.Namespace, Name: source.SecretKeyRef.Name}
		if err := r.live.Get(ctx, name, &secret); apierrors.IsNotFound(err) {
			return fmt.Sprintf("There is no Secret %s", name.Name), nil
		} else if err != nil {
			return "", err
		}
		if _, err := strconv.Atoi(string(secret.Data[source.SecretKeyRef.Key])); err != nil {
			return fmt.Sprintf("%s: what the Secret %s gives must be a number", source.Path, name.Name), nil
		}
	}
	return "", nil
}

// users returns the objects that name a Secret.
func (r *reconciler) users(ctx context.Context, secret client.Object) []reconcile.Request {
	var found FloePluginList
	matching := client.MatchingFields{bySecret: secret.GetName()}
	if err := r.List(ctx, &found, client.InNamespace(secret.GetNamespace()), matching); err != nil {
		klog.ErrorS(err, "cannot list the users of a Secret", "secret", secret.GetName())
	}
	requests := make([]reconcile.Request, len(found.Items))
	for i := range found.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&found.Items[i])
	}
	return requests
}

func secretsOf(object client.Object) []string {
	var names []string
	for _, source := range object.(*FloePlugin).Spec.ConfigFrom {
		if source.SecretKeyRef != nil {
			names = append(names, source.SecretKeyRef.Name)
		}
	}
	return names
}

// judge sets a status as large as the operator's for an installed plugin.
func judge(plugin *FloePlugin, fault string) {
	status, name := &plugin.Status, plugin.Spec.Name
	status.ObservedGeneration = plugin.Generation
	status.InUse = true
	status.Version, status.PluginAPIVersion, status.PlatformAPIVersion = "0.1.0", "1.0", "1.0"
	status.Distribution = &Distribution{Name: "floe-" + name, Version: "0.1.0"}
	status.EntryPoint = fmt.Sprintf("%s = floe_%s:Plugin", name, name)
	status.ConfigSchema = &runtime.RawExtension{Raw: []byte(configSchema)}
	set := func(kind, reason, message string, isTrue bool) {
		value := metav1.ConditionFalse
		if isTrue {
			value = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: message, ObservedGeneration: plugin.Generation,
		})
	}
	set("Discovered", "Installed", "The distribution floe-"+name+" provides the plugin", true)
	set("Loaded", "Loaded", "The plugin is loaded", true)
	set("VersionCompatible", "Compatible", "The plugin was written for API 1.0; the platform offers 1.0", true)
	if fault == "" {
		set("ConfigValid", "Valid", "The configuration is valid", true)
	} else {
		set("ConfigValid", "ValidationFailed", fault, false)
	}
	set("DependenciesReady", "NoDependencies", "The plugin needs no other plugin", true)
	if fault == "" {
		set("Ready", "Ready", "The plugin is installed, compatible and configured", true)
	} else {
		set("Ready", "ValidationFailed", fault, false)
	}
}

const configSchema = `{"properties":{"port":{"default":0,"title":"Port","type":"integer"},` +
	`"threads":{"default":1,"title":"Threads","type":"integer"}},"title":"Config","type":"object"}`

func run(ctx context.Context, namespace string) error {
	config, err := ctrl.GetConfig() // --kubeconfig, KUBECONFIG
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(groupVersion, &FloePlugin{}, &FloePluginList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	if err != nil {
		return err
	}
	r := &reconciler{manager.GetClient(), manager.GetAPIReader()}
	if err := manager.GetFieldIndexer().IndexField(ctx, &FloePlugin{}, bySecret, secretsOf); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		Named("floeplugin").
		For(&FloePlugin{}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.users)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func main() {
	namespace := flag.String("namespace", "default", "the namespace to watch")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(ctrl.SetupSignalHandler(), *namespace); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
