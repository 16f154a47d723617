{{/* The login of a VaultAuth, from an auth block of the values: (dict "auth" block "at" path "account" default "shared" bool).
     With `shared`, a VaultAuthGlobal may have what is needed. */}}
{{- define "vso.login" -}}
{{- $auth := .auth }}
{{- $block := get $auth $auth.method | default dict -}}
{{- with $auth.namespace }}
namespace: {{ . | quote }}
{{- end }}
method: {{ $auth.method }}
mount: {{ $auth.mount | quote }}
{{ $auth.method }}:
{{- $spec := dict }}
{{- range $key := get (include "vso.loginFields" . | fromYaml) $auth.method }}
{{- with get $block $key }}{{ $_ := set $spec (ternary "audiences" $key (eq $key "tokenAudiences")) . }}{{ end }}
{{- end }}
{{- if and (eq $auth.method "kubernetes") (not $spec.serviceAccount) }}
{{- $_ := set $spec "serviceAccount" .account }}
{{- end }}
{{- if and (eq $auth.method "jwt") $spec.secretRef }}
{{- $spec = omit $spec "serviceAccount" "audiences" }}
{{- end }}
{{- if not .shared }}
{{- $at := .at }}
{{- range get (dict "appRole" (list "roleId") "gcp" (list "role" "workloadIdentityServiceAccount")) $auth.method | default (list "role") }}
{{- $_ := get $spec . | required (printf "%s.%s.%s is needed" $at $auth.method .) }}
{{- end }}
{{- end }}
{{- toYaml $spec | nindent 2 }}
{{- with $auth.headers }}
headers:
  {{- range $name, $value := . }}
  {{ $name | quote }}: {{ include "vso.text" $value | quote }}
  {{- end }}
{{- end }}
{{- with $auth.params }}
params:
  {{- range $name, $value := . }}
  {{ $name | quote }}: {{ include "vso.text" $value | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "vso.loginFields" -}}
kubernetes: [role, serviceAccount, tokenAudiences]
jwt: [role, secretRef, serviceAccount, tokenAudiences]
appRole: [roleId, secretRef, secretIDPath]
aws: [role, region, headerValue, sessionName, stsEndpoint, iamEndpoint, secretRef, irsaServiceAccount]
gcp: [role, workloadIdentityServiceAccount, region, clusterName, projectID]
{{- end }}

{{/* Labels of the default objects. */}}
{{- define "vso.defaultLabels" -}}
{{ include "vso.labels" (list "controller-manager" .) }}
control-plane: controller-manager
component: controller-manager
{{- end }}
