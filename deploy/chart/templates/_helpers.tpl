{{/* Names and labels: those of HashiCorp's chart, so that an upgrade from it finds its objects. */}}

{{- define "vso.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vso.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Name of a Job, which must fit into a label: (list prefix $). */}}
{{- define "vso.jobName" -}}
{{- printf "%s-%s" (first .) (include "vso.fullname" (last .)) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of the Service, which must fit into a label of the DNS. */}}
{{- define "vso.metricsService" -}}
{{ include "vso.fullname" . | trunc 47 | trimSuffix "-" }}-metrics-service
{{- end }}

{{- define "vso.account" -}}
{{ include "vso.fullname" . }}-controller-manager
{{- end }}

{{- define "vso.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vso.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of an object: (list component $). */}}
{{- define "vso.labels" -}}
{{- with last . -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "vso.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
app.kubernetes.io/component: {{ first . }}
{{- end }}

{{/* Labels by which the operator's Pods, and no others, are found. */}}
{{- define "vso.podSelector" -}}
control-plane: controller-manager
{{ include "vso.selectorLabels" . }}
{{- end }}

{{/* A container's image: (list image-values default-tag). */}}
{{- define "vso.image" -}}
{{- $image := first . }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (last .) }}
{{- end }}
{{- end }}

{{- define "vso.managerImage" -}}
{{ include "vso.image" (list .Values.controller.manager.image .Chart.AppVersion) }}
{{- end }}

{{/* imagePullSecrets, given as names or as maps: (list of them). */}}
{{- define "vso.pullSecrets" -}}
{{- if . -}}
imagePullSecrets:
{{- range . }}
- {{ if kindIs "string" . }}name: {{ . | quote }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A scalar as text, null as none; numbers of a values file are floats, which Go would write as 1e+06. */}}
{{- define "vso.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else if not (kindIs "invalid" .) -}}
{{ . }}
{{- end }}
{{- end }}

{{/* Variables of a container: a list of maps with value or valueFrom. */}}
{{- define "vso.env" -}}
{{- range . }}
{{- if hasKey . "value" }}
- name: {{ .name | quote }}
  value: {{ include "vso.text" .value | quote }}
{{- else }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is common to the Pods of the operator and of its hooks. */}}
{{- define "vso.placement" -}}
{{- with .Values.controller.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.controller.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controller.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controller.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Extra volumes without what tells where to mount them. */}}
{{- define "vso.volumes" -}}
{{- range .Values.controller.manager.volumes }}
- {{ omit . "mountPath" "readOnly" | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}

{{- define "vso.volumeMounts" -}}
{{- range .Values.controller.manager.volumes }}
{{- if .mountPath }}
- name: {{ .name | quote }}
  mountPath: {{ .mountPath | quote }}
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" if something in the values takes /tmp, which is writable otherwise. */}}
{{- define "vso.ownTmp" -}}
{{- range .Values.controller.manager.volumes }}
{{- if or (eq .name "tmp") (eq (.mountPath | default "" | clean) "/tmp") }}true{{ end }}
{{- end }}
{{- end }}

{{/* How metrics are served: protected, plain, off, or proxy for the side-car. */}}
{{- define "vso.metricsMode" -}}
{{- if .Values.controller.kubeRbacProxy.enabled }}proxy{{ else }}{{ .Values.metrics.mode }}{{ end }}
{{- end }}

{{/* ServiceAccounts whose tokens may be requested, as a JSON list; empty for all. */}}
{{- define "vso.tokenAccounts" -}}
{{- $names := .Values.rbac.serviceAccountTokens.resourceNames }}
{{- $cache := .Values.controller.manager.clientCache }}
{{- if and $names (eq $cache.persistenceModel "direct-encrypted") }}
{{- $login := get $cache.storageEncryption $cache.storageEncryption.method }}
{{- $own := ternary (include "vso.account" .) "" (eq $cache.storageEncryption.method "kubernetes") }}
{{- $account := coalesce $login.serviceAccount $login.irsaServiceAccount $login.workloadIdentityServiceAccount $own }}
{{- if and $account (not (and $login.secretRef (eq $cache.storageEncryption.method "jwt"))) }}
{{- $names = append $names $account | uniq }}
{{- end }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{/* What is expected of the certificate of the metrics: tlsConfig of the values, or what fits: (list tlsConfig $). */}}
{{- define "vso.tlsConfig" -}}
{{- $root := last . }}
{{- if first . }}
{{- toYaml (first .) }}
{{- else if and $root.Values.metrics.certificateSecret (eq (include "vso.metricsMode" $root) "protected") -}}
serverName: {{ include "vso.metricsService" $root }}.{{ $root.Release.Namespace }}.svc
ca:
  secret:
    name: {{ $root.Values.metrics.certificateSecret | quote }}
    key: ca.crt
{{- else -}}
insecureSkipVerify: true
{{- end }}
{{- end }}
