package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "floe.dev", Version: "v1alpha1"}

// FloePlugin has the fields that the peer reads, and all that it writes.
type FloePlugin struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status"`
}

// FloePluginList is a list of FloePlugins.
type FloePluginList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []FloePlugin `json:"items"`
}

// Spec says which plugin it is and how it is configured.
type Spec struct {
	Type       string                `json:"type"`
	Name       string                `json:"name"`
	Config     *runtime.RawExtension `json:"config,omitempty"`
	ConfigFrom []Source              `json:"configFrom,omitempty"`
}

// Source is one key of one Secret.
type Source struct {
	SecretKeyRef *KeyRef `json:"secretKeyRef,omitempty"`
	Path         string  `json:"path,omitempty"`
}

// KeyRef names a key.
type KeyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Status is what the peer says about a plugin.
type Status struct {
	ObservedGeneration int64                 `json:"observedGeneration"`
	InUse              bool                  `json:"inUse"`
	Version            string                `json:"version,omitempty"`
	PluginAPIVersion   string                `json:"pluginApiVersion,omitempty"`
	PlatformAPIVersion string                `json:"platformApiVersion,omitempty"`
	Distribution       *Distribution         `json:"distribution,omitempty"`
	EntryPoint         string                `json:"entryPoint,omitempty"`
	ConfigSchema       *runtime.RawExtension `json:"configSchema,omitempty"`
	Conditions         []metav1.Condition    `json:"conditions,omitempty"`
}

// Distribution is where a plugin comes from.
type Distribution struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// DeepCopy returns a copy that shares nothing with the original.
func (s *Status) DeepCopy() *Status {
	copied := *s
	if s.Distribution != nil {
		distribution := *s.Distribution
		copied.Distribution = &distribution
	}
	copied.ConfigSchema = s.ConfigSchema.DeepCopy()
	copied.Conditions = append([]metav1.Condition(nil), s.Conditions...)
	return &copied
}

// DeepCopyObject returns a copy that shares nothing with the original.
func (p *FloePlugin) DeepCopyObject() runtime.Object {
	copied := *p
	p.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Spec.Config = p.Spec.Config.DeepCopy()
	copied.Spec.ConfigFrom = nil
	for _, source := range p.Spec.ConfigFrom {
		if source.SecretKeyRef != nil {
			key := *source.SecretKeyRef
			source.SecretKeyRef = &key
		}
		copied.Spec.ConfigFrom = append(copied.Spec.ConfigFrom, source)
	}
	copied.Status = *p.Status.DeepCopy()
	return &copied
}

// DeepCopyObject returns a copy that shares nothing with the original.
func (l *FloePluginList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]FloePlugin, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*FloePlugin)
	}
	return &copied
}
