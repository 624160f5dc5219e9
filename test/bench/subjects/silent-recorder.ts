/** Stands for the recorder of a sidecar in `telemetry-cost`: what requests cost when nobody counts or remembers them. */
export class TelemetryRecorder {
  begun(): void {}

  retried(): void {}

  ended(): void {}
}
