// Never built: the tests take the ServiceMonitor and PrometheusRule CRDs from this module.
module floe.dev/prometheus-operator-crds

go 1.24.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
