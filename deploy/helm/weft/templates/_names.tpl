{{- /* Names are fixed: a cluster has one mesh, sidecars and the API server look for it under these. */ -}}
{{- define "weft.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "weft.cniLabels" -}}
app.kubernetes.io/name: weft-cni
app.kubernetes.io/part-of: weft
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "weft.labels" -}}
app.kubernetes.io/name: weft-control
app.kubernetes.io/part-of: weft
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}
