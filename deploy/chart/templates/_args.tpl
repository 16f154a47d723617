{{/* The operator's arguments. Order and form of the first dozen are those of HashiCorp's chart. */}}

{{/* One flag, unless extraArgs has it: (list name value $); no value, no flag. */}}
{{- define "vso.flag" -}}
{{- $name := index . 0 }}
{{- $value := index . 1 }}
{{- $given := false }}
{{- range (index . 2).Values.controller.manager.extraArgs }}
{{- if regexMatch (printf "^--?%s(=|$)" $name) . }}{{ $given = true }}{{ end }}
{{- end }}
{{- if kindIs "slice" $value }}
{{- $value = join "," $value }}
{{- end }}
{{- $text := include "vso.text" $value }}
{{- if not (or $given (kindIs "invalid" $value) (eq $text "")) }}
- {{ printf "--%s=%s" $name $text | quote }}
{{- end }}
{{- end }}

{{/* Which objects the operator is responsible for. */}}
{{- define "vso.scopeArgs" -}}
{{- include "vso.flag" (list "watch-namespaces" .Values.controller.watchNamespaces .) }}
{{- include "vso.flag" (list "namespace-selector" .Values.controller.namespaceSelector .) }}
{{- include "vso.flag" (list "operator-class" .Values.controller.operatorClass .) }}
{{- end }}

{{/* The same for a Job, which has no other extraArgs: one that the operator cannot start with must not keep it from removal. */}}
{{- define "vso.scopeArgsOfJob" -}}
{{- include "vso.scopeArgs" . }}
{{- $follows := false }}
{{- range .Values.controller.manager.extraArgs }}
{{- if or $follows (regexMatch "^--?(watch-namespaces|namespace-selector|operator-class)(=|$)" .) }}
- {{ . | quote }}
{{- $follows = and (not $follows) (not (contains "=" .)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vso.backoffArgs" -}}
{{- if not (kindIs "invalid" .initialInterval) }}
- --backoff-initial-interval={{ .initialInterval }}
{{- end }}
{{- if not (kindIs "invalid" .maxInterval) }}
- --backoff-max-interval={{ .maxInterval }}
{{- end }}
{{- if not (kindIs "invalid" .maxElapsedTime) }}
- --backoff-max-elapsed-time={{ .maxElapsedTime }}
{{- end }}
{{- if not (kindIs "invalid" .multiplier) }}
- --backoff-multiplier={{ printf "%.2f" (float64 .multiplier) }}
{{- end }}
{{- if not (kindIs "invalid" .randomizationFactor) }}
- --backoff-randomization-factor={{ printf "%.2f" (float64 .randomizationFactor) }}
{{- end }}
{{- end }}

{{- define "vso.logLevel" -}}
{{- get (dict "debug-extended" "5" "trace" "6") . | default . -}}
{{- end }}

{{- define "vso.metricsBindAddress" -}}
{{- get (dict "plain" ":8080" "off" "0") (include "vso.metricsMode" .) | default "127.0.0.1:8080" }}
{{- end }}

{{- define "vso.args" -}}
{{- $manager := .Values.controller.manager }}
{{- $cache := $manager.clientCache -}}
- --health-probe-bind-address=:8081
- --metrics-bind-address={{ include "vso.metricsBindAddress" . }}
- --leader-elect
{{- with $cache.persistenceModel }}
- --client-cache-persistence-model={{ . }}
{{- end }}
{{- if not (kindIs "invalid" $cache.cacheSize) }}
- --client-cache-size={{ int64 $cache.cacheSize }}
{{- end }}
{{- if not (kindIs "invalid" $cache.numLocks) }}
- --client-cache-num-locks={{ int64 $cache.numLocks }}
{{- end }}
{{- if not (kindIs "invalid" $manager.maxConcurrentReconciles) }}
- --max-concurrent-reconciles={{ int64 $manager.maxConcurrentReconciles }}
{{- end }}
{{- if $manager.globalTransformationOptions.excludeRaw }}
- --global-transformation-options=exclude-raw
{{- end }}
- --global-vault-auth-options={{ if ne (toString $manager.globalVaultAuthOptions.allowDefaultGlobals) "false" }}allow-default-globals{{ end }}
{{- include "vso.backoffArgs" $manager.backoffOnSecretSourceError }}
{{- include "vso.flag" (list "zap-log-level" (include "vso.logLevel" ($manager.logging.level | default "")) .) }}
{{- include "vso.flag" (list "zap-time-encoding" $manager.logging.timeEncoding .) }}
{{- include "vso.flag" (list "zap-stacktrace-level" $manager.logging.stacktraceLevel .) }}
{{- range $manager.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- include "vso.flag" (list "kube-client-qps" $manager.kubeClient.qps .) }}
{{- include "vso.flag" (list "kube-client-burst" $manager.kubeClient.burst .) }}
{{- include "vso.ownArgs" . }}
{{- end }}

{{/* Flags that HashiCorp's operator does not have; all are left out by default but the first. */}}
{{- define "vso.ownArgs" -}}
{{- $manager := .Values.controller.manager }}
{{- if eq (include "vso.metricsMode" .) "protected" }}
{{- include "vso.flag" (list "metrics-secure-bind-address" ":8443" .) }}
{{- if .Values.metrics.certificateSecret }}
{{- include "vso.flag" (list "metrics-cert-directory" "/var/run/metrics-certificate" .) }}
{{- end }}
{{- end }}
{{- if .Values.metrics.perObject }}
{{- include "vso.flag" (list "per-object-metrics" "true" .) }}
{{- end }}
{{- include "vso.scopeArgs" . }}
{{- include "vso.flag" (list "allowed-auth-methods" $manager.policy.allowedAuthMethods .) }}
{{- include "vso.flag" (list "allowed-vault-addresses" $manager.policy.allowedVaultAddresses .) }}
{{- include "vso.flag" (list "forbidden-token-audiences" $manager.policy.forbiddenTokenAudiences .) }}
{{- include "vso.flag" (list "ambient-identity-namespaces" $manager.policy.ambientIdentityNamespaces .) }}
{{- if $manager.policy.allowOwnCredentials }}
{{- include "vso.flag" (list "allow-own-credentials" "true" .) }}
{{- end }}
{{- if eq (toString $manager.policy.enforceDefaultAllowedNamespaces) "false" }}
{{- include "vso.flag" (list "enforce-default-allowed-namespaces" "false" .) }}
{{- end }}
{{- include "vso.flag" (list "credentials-directory" $manager.credentialsDirectory .) }}
{{- include "vso.flag" (list "min-refresh-interval" $manager.refresh.minInterval .) }}
{{- include "vso.flag" (list "default-refresh-interval" $manager.refresh.defaultInterval .) }}
{{- include "vso.flag" (list "static-creds-max-poll-interval" $manager.refresh.staticCredsMaxPollInterval .) }}
{{- include "vso.flag" (list "template-timeout" $manager.templates.timeout .) }}
{{- include "vso.flag" (list "template-memory-limit" $manager.templates.memoryLimit .) }}
{{- if $manager.revokeOnShutdown }}
{{- include "vso.flag" (list "revoke-on-shutdown" "true" .) }}
{{- end }}
{{- end }}
