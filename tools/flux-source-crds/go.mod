// Never built: the tests take the CRDs of Flux's sources from this module.
module floe.dev/flux-source-crds

go 1.26.0

require github.com/fluxcd/source-controller v1.9.6
