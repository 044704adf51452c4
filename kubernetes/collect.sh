#!/bin/sh
# Stop the generators of a namespace gracefully, keep their summaries, and merge them.
#
#   kubernetes/collect.sh NAMESPACE [DIRECTORY]
#
# The summary is what the pod's sidecar prints when the generator has ended, so its log is
# followed before the stop. SOAKRIG names the binary that merges (default: soakrig).
set -eu
namespace=${1:?usage: collect.sh NAMESPACE [DIRECTORY]}
directory=${2:-results}
selector=app.kubernetes.io/name=soakrig,app.kubernetes.io/component=generator
mkdir -p "$directory"

kube() { kubectl --namespace "$namespace" "$@"; }

pods=$(kube get pods --selector "$selector" --output 'jsonpath={.items[*].metadata.name}')
[ -n "$pods" ] || { echo "collect.sh: no generators in $namespace" >&2; exit 1; }
followers=
for pod in $pods; do
    kube logs --follow "$pod" --container summary >"$directory/$pod.json" &
    followers="$followers $!"
done

# A finished pod has nothing to stop, and its log stays until its Job is deleted.
if kube get statefulset/soakrig >/dev/null 2>&1; then
    kube scale statefulset/soakrig --replicas=0
fi
if kube get job/soakrig >/dev/null 2>&1; then
    # Suspending ends the running pods with SIGTERM and the grace, and keeps the Job.
    kube patch job/soakrig --type=merge --patch '{"spec":{"suspend":true}}'
fi
for follower in $followers; do
    wait "$follower" || echo "collect.sh: a log broke off" >&2
done
find "$directory" -name '*.json' -empty -exec echo "collect.sh: no summary:" {} \; >&2
cd "$directory"
set --
for pod in $pods; do
    [ ! -s "$pod.json" ] || set -- "$@" "$pod.json"
done
"${SOAKRIG:-soakrig}" merge --output merged.json "$@"
