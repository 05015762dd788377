{{/* Name of every object: the release's if it contains the chart's, else both. Short enough for "-webhook-probe". */}}
{{- define "redisoperator.fullname" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | trunc 47 | trimSuffix "-" }}
{{- end }}

{{- define "redisoperator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "redisoperator.fullname" .) }}
{{- else }}
{{- /* Not "default": every pod of the namespace would get the operator's rights. */}}
{{- .Values.serviceAccount.name | required "serviceAccount.create is false: name an existing one in serviceAccount.name" }}
{{- end }}
{{- end }}

{{/* What selects the operator's pods; a Deployment's selector can never change. */}}
{{- define "redisoperator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "redisoperator.labels" -}}
{{- with .Values.labels }}{{ toYaml . }}
{{ end -}}
{{ include "redisoperator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Name of the Secret with the webhook's certificate. */}}
{{- define "redisoperator.certificateSecret" -}}
{{- if eq .Values.webhook.certificates.mode "secret" }}
{{- .Values.webhook.certificates.secretName | required "webhook.certificates.mode is secret: name it in webhook.certificates.secretName" }}
{{- else }}
{{- include "redisoperator.fullname" . }}-webhook-tls
{{- end }}
{{- end }}

{{/* Annotations by which cert-manager finds what its CA goes into; nothing in other modes. */}}
{{- define "redisoperator.injectCa" -}}
{{- if and .Values.webhook.enabled (eq .Values.webhook.certificates.mode "cert-manager") -}}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "redisoperator.fullname" . }}-webhook
{{- end }}
{{- end }}

{{/* The one thing that both webhook configurations select: RedisFailovers, and nothing of anybody else's. */}}
{{- define "redisoperator.webhookScope" -}}
rules:
  - apiGroups: [storage.spotahome.com]
    apiVersions: [v1]
    resources: [redisfailovers]
    operations: [CREATE, UPDATE]
    scope: Namespaced
matchPolicy: Equivalent
failurePolicy: Fail
sideEffects: None
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
admissionReviewVersions: [v1]
{{- end }}
