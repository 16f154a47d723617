{{/* A role and its binding to the operator: (list name rules namespace $); no namespace, the whole cluster. */}}
{{- define "vso.grant" -}}
{{- $name := index . 0 }}
{{- $namespace := index . 2 }}
{{- $root := index . 3 }}
{{- $prefix := printf "%s-%s" (include "vso.fullname" $root) $name }}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $prefix }}-role
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "vso.labels" (list "rbac" $root) | nindent 4 }}
    vso.hashicorp.com/role-instance: {{ $name }}-role
rules:
{{- include (index . 1) $root }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $prefix }}-rolebinding
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "vso.labels" (list "rbac" $root) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $prefix }}-role
subjects:
  - kind: ServiceAccount
    name: {{ include "vso.account" $root }}
    namespace: {{ $root.Release.Namespace | quote }}
{{ end }}

{{/* Rules of the ClusterRole. */}}
{{- define "vso.rules.everywhere" -}}
{{- include "vso.rules.served" . }}
{{- include "vso.rules.cluster" . }}
{{- if .Values.controller.namespaceSelector }}
{{- include "vso.rules.selector" . }}
{{- end }}
{{- end }}

{{/* A role for people that collects others: (list viewer|editor kinds user-facing view|edit $). */}}
{{- define "vso.aggregate" -}}
{{- $sort := index . 0 }}
{{- $wanted := index . 1 }}
{{- $root := index . 4 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "vso.fullname" $root }}-aggregate-role-{{ $sort }}
  labels:
    {{- include "vso.labels" (list "rbac" $root) | nindent 4 }}
    vso.hashicorp.com/role-instance: aggregate-role-{{ $sort }}
    {{- if index . 2 }}
    rbac.authorization.k8s.io/aggregate-to-{{ index . 3 }}: "true"
    {{- end }}
aggregationRule:
  clusterRoleSelectors:
    {{- if eq (first $wanted) "*" }}
    - matchLabels:
        vso.hashicorp.com/aggregate-to-{{ $sort }}: "true"
    {{- else }}
    {{- range $wanted }}
    - matchLabels:
        vso.hashicorp.com/role-instance: {{ include "vso.roleOf" . }}-{{ $sort }}-role
    {{- end }}
    {{- end }}
rules: []
{{ end }}

{{/* Base name of a kind's roles, whatever the case, by kind or by base name. */}}
{{- define "vso.roleOf" -}}
{{- $wanted := lower . }}
{{- $found := "" }}
{{- range include "vso.kinds" . | fromYamlArray }}
{{- if has $wanted (list (lower .kind) .resource .role) }}{{ $found = .role }}{{ end }}
{{- end }}
{{- $found | required (printf "controller.rbac.clusterRoleAggregation: there is no kind %q" .) }}
{{- end }}
