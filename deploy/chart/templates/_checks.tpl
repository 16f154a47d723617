{{/* Combinations of values that cannot work, each with what to do about it. */}}
{{- define "vso.check" -}}
{{- $controller := .Values.controller }}
{{- if regexMatch "(^|/)hashicorp/vault-secrets-operator$" $controller.manager.image.repository }}
{{- fail "controller.manager.image.repository names HashiCorp's image, which this chart cannot start: leave it unset. If helm upgrade was called with --reuse-values, use --reset-then-reuse-values, or --values with your own values alone." }}
{{- end }}
{{- if and $controller.watchNamespaces $controller.namespaceSelector }}
{{- fail "controller.watchNamespaces and controller.namespaceSelector exclude each other: a selector needs to read the namespaces of the whole cluster" }}
{{- end }}
{{- if and $controller.manager.revokeOnShutdown (not (has ($controller.manager.clientCache.persistenceModel | default "") (list "" "none"))) }}
{{- fail "controller.manager.revokeOnShutdown revokes the logins that controller.manager.clientCache.persistenceModel keeps: set only one of them" }}
{{- end }}
{{- range $controller.manager.volumes }}
{{- if eq .name "podinfo" }}
{{- fail "controller.manager.volumes: the name podinfo is taken by the chart" }}
{{- end }}
{{- if eq (.mountPath | default "" | clean) "/var/run/podinfo" }}
{{- fail (printf "controller.manager.volumes: %s cannot be mounted at /var/run/podinfo, which is taken by the chart" .name) }}
{{- end }}
{{- end }}
{{- if and .Values.telemetry.podMonitor.enabled (has (include "vso.metricsMode" .) (list "protected" "proxy")) (not .Values.telemetry.podMonitor.tokenSecret) }}
{{- fail "telemetry.podMonitor.tokenSecret is needed: a PodMonitor cannot use Prometheus' own token, and metrics are protected" }}
{{- end }}
{{- if and (or .Values.telemetry.podMonitor.enabled .Values.telemetry.serviceMonitor.enabled .Values.telemetry.prometheusRule.enabled) (eq (include "vso.metricsMode" .) "off") }}
{{- fail "telemetry: metrics.mode is off, so there is nothing to monitor" }}
{{- end }}
{{- end }}

{{/* Defaults of controllerConfigMapYaml, to tell whether somebody expects it to have an effect. */}}
{{- define "vso.defaultConfig" -}}
health: {healthProbeBindAddress: ":8081"}
leaderElection: {leaderElect: true, resourceName: b0d477c0.hashicorp.com}
metrics: {bindAddress: "127.0.0.1:8080"}
webhook: {port: 9443}
{{- end }}
