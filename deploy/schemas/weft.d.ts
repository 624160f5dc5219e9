// Made by npm run generate from the field tables of packages/model; change those.

export interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface NamespacedMetadata extends Metadata {
  /** Default: that of the client. */
  readonly namespace?: string;
}

/** Who may be believed. */
export interface AuthenticationPolicy {
  readonly apiVersion: 'weft.dev/v1alpha1';
  readonly kind: 'AuthenticationPolicy';
  readonly metadata: NamespacedMetadata;
  readonly spec: {
    /** Workloads of this namespace. Neither selector nor targetRefs: all of it. */
    readonly selector?: {
      /** Labels of the workloads. */
      readonly matchLabels: Readonly<Record<string, string>>;
    };
    /** What the policy is about. Absent: its own namespace. */
    readonly targetRefs?: readonly {
      /** Group of the target: "" for a Service. */
      readonly group: string;
      /** Kind of the target. */
      readonly kind: string;
      /** Name of the target. */
      readonly name: string;
      /** Namespace of the target; another one makes this a policy of the consumer. Default: the policy's. */
      readonly namespace?: string;
      /** A port of the Service, a rule of the route or a listener of the Gateway. */
      readonly sectionName?: string;
    }[];
    /** Mutual TLS on arrival. Of several policies that apply, the strictest answer holds. */
    readonly mtls?: {
      /** Who may connect: only the mesh, anyone, or nobody by mesh TLS. Default: that of the Mesh: Permissive. */
      readonly mode?: 'Strict' | 'Permissive' | 'Disabled';
      /** Ports with a mode of their own. */
      readonly ports?: readonly {
        /** Port of the application. */
        readonly port: number;
        /** Mode of this port in place of mode. */
        readonly mode: 'Strict' | 'Permissive' | 'Disabled';
      }[];
    };
  };
  readonly status?: {
    /** Of the object as a whole. */
    readonly conditions?: readonly {
      /** Accepted, ResolvedRefs or Programmed. */
      readonly type: string;
      readonly status: 'True' | 'False' | 'Unknown';
      /** One word for machines. */
      readonly reason: string;
      /** For people. */
      readonly message: string;
      /** Generation of the object that this is about. */
      readonly observedGeneration?: number;
      /** When status last changed. */
      readonly lastTransitionTime: string;
    }[];
    /** Of each target (GEP-713). Shared with other controllers: each writes its own entries. */
    readonly ancestors?: readonly {
      /** The target. */
      readonly ancestorRef: {
        readonly group?: string;
        readonly kind?: string;
        readonly namespace?: string;
        readonly name: string;
        readonly sectionName?: string;
      };
      /** Who says it. */
      readonly controllerName: string;
      /** At this target. */
      readonly conditions: readonly {
        /** Accepted, ResolvedRefs or Programmed. */
        readonly type: string;
        readonly status: 'True' | 'False' | 'Unknown';
        /** One word for machines. */
        readonly reason: string;
        /** For people. */
        readonly message: string;
        /** Generation of the object that this is about. */
        readonly observedGeneration?: number;
        /** When status last changed. */
        readonly lastTransitionTime: string;
      }[];
    }[];
  };
}

/** Settings of the whole mesh. */
export interface Mesh {
  readonly apiVersion: 'weft.dev/v1alpha1';
  readonly kind: 'Mesh';
  readonly metadata: Metadata;
  readonly spec: {
    /** First part of every SPIFFE ID. Default: cluster.local. */
    readonly trustDomain?: string;
    /** Trust domains whose identities are taken as ours. Default: []. */
    readonly trustDomainAliases?: readonly string[];
    /** Certificates. */
    readonly identity?: {
      /** Who signs leaves. */
      readonly issuer?: {
        /** Who signs leaves. Not served yet: Provided, CertManager, Spire. Default: BuiltIn. */
        readonly type?: 'BuiltIn';
      };
      /** Life of a workload certificate. Default: 24h. */
      readonly leafLifetime?: string;
      /** Life of the root certificate. Default: 87600h. */
      readonly rootLifetime?: string;
    };
    /** Whether calls may leave the mesh for hosts that nobody declared. Default: AllowAny. */
    readonly egress?: 'AllowAny' | 'DeclaredOnly';
    /** Who sees what. */
    readonly discovery?: {
      /** Namespaces of the mesh. Default: {}: all. */
      readonly namespaceSelector?: Readonly<Record<string, never>>;
      /** Which names a workload sees: all, or those of its own namespace. Default: Mesh. */
      readonly visibility?: 'Mesh' | 'Namespace';
    };
    /** What holds where nothing nearer says otherwise. */
    readonly defaults?: {
      /** Lowest layer of TrafficPolicy. */
      readonly traffic?: {
        /** How endpoints are picked. */
        readonly loadBalancer?: {
          /** How an endpoint is picked: by latency, by requests in flight, in turn, by chance. Not served yet: RingHash, Maglev. Default: PeakEwma. */
          readonly type?: 'PeakEwma' | 'LeastRequest' | 'RoundRobin' | 'Random';
          /** With type PeakEwma. */
          readonly peakEwma?: {
            /** How fast old latencies are forgotten. Default: 10s. */
            readonly decay?: string;
            /** What an endpoint without samples is taken for. Default: 30ms. */
            readonly initialLatency?: string;
          };
          /** Spares new endpoints. Off when absent. */
          readonly slowStart?: {
            /** false switches it off. Default: true. */
            readonly enabled?: boolean;
            /** Time in which a new endpoint grows to its full share. Default: 30s. */
            readonly window?: string;
            /** Share that it starts with. Default: 10. */
            readonly minimumWeightPercent?: number;
          };
          /** Whether endpoints of the caller's zone come first, or alone. Default: Prefer. */
          readonly locality?: 'Off' | 'Prefer' | 'Strict';
          /** Below this share of usable endpoints all are used again; 0 is off. Default: 50. */
          readonly panicBelowPercent?: number;
        };
        /** Caps and times of connections; merged leaf by leaf. */
        readonly connections?: {
          /** Connections to one endpoint from one process; 0 is no cap. Default: 0. */
          readonly maxPerEndpoint?: number;
          /** Requests that wait for a connection; 0 is no cap. Default: 0. */
          readonly maxPending?: number;
          /** An unused connection is closed after it; 0s is off. Default: 60s. */
          readonly idleTimeout?: string;
          /** A connection takes no new request after it; no stream is cut; 0s is off. Default: 0s. */
          readonly maxLifetime?: string;
          /** V2: a TCP connection begins with a PROXY protocol header that names the caller; the application must expect it. Default: Off. */
          readonly proxyProtocol?: 'Off' | 'V2';
          /** Preserve: field names keep their case between HTTP/1.1 programs; a request under way then has a connection to itself. Default: Any. */
          readonly fieldNameCase?: 'Any' | 'Preserve';
          /** Requests after which a connection is closed; 0 is no cap. Default: 0. */
          readonly maxRequestsPerConnection?: number;
        };
        /** Time limits; merged leaf by leaf. */
        readonly timeouts?: {
          /** Connection and TLS handshake; 0s is off. Default: 1s. */
          readonly connect?: string;
          /** The whole request with all its tries; 0s is off. Default: 0s. */
          readonly request?: string;
          /** One try; 0s is off. Default: 0s. */
          readonly backendRequest?: string;
          /** Time without a byte in either direction; 0s is off. Default: 5m. */
          readonly streamIdle?: string;
        };
        /** What is tried again. On by default. */
        readonly retries?: {
          /** false switches retries off. Default: true. */
          readonly enabled?: boolean;
          /** Tries after the first; 0 is off. Default: 2. */
          readonly attempts?: number;
          /** What is tried again; NeverSent is safe for all methods. Default: [NeverSent, ResetBeforeHeaders, GatewayError]. */
          readonly on?: readonly ('NeverSent' | 'ResetBeforeHeaders' | 'GatewayError' | 'PerTryTimeout')[];
          /** HTTP statuses that are tried again. Default: []. */
          readonly statuses?: readonly string[];
          /** gRPC statuses that are tried again. Default: []. */
          readonly grpcStatuses?: readonly ('OK' | 'CANCELLED' | 'UNKNOWN' | 'INVALID_ARGUMENT' | 'DEADLINE_EXCEEDED' | 'NOT_FOUND' | 'ALREADY_EXISTS' | 'PERMISSION_DENIED' | 'RESOURCE_EXHAUSTED' | 'FAILED_PRECONDITION' | 'ABORTED' | 'OUT_OF_RANGE' | 'UNIMPLEMENTED' | 'INTERNAL' | 'UNAVAILABLE' | 'DATA_LOSS' | 'UNAUTHENTICATED')[];
          /** Methods that may be tried again once sent. Default: Idempotent. */
          readonly methods?: 'Idempotent' | 'Any';
          /** Wait before a retry. */
          readonly backoff?: {
            /** Longest wait before the first retry; it doubles, drawn by full jitter. Default: 25ms. */
            readonly base?: string;
            /** Longest wait of all. Default: 250ms. */
            readonly max?: string;
          };
          /** Cap on retries, per process and service: the larger of percent and minimumPerSecond. */
          readonly budget?: {
            /** Retries per hundred requests of the window. Default: 20. */
            readonly percent?: number;
            /** Retries that are always allowed. Default: 1. */
            readonly minimumPerSecond?: number;
            /** Time over which requests are counted. Default: 10s. */
            readonly window?: string;
          };
          /** A longer request body is not kept for a retry. Default: 64Ki. */
          readonly bodyLimit?: number | string;
        };
        /** Refuses calls when all endpoints fail. On by default. */
        readonly circuitBreaker?: {
          /** false switches it off. Default: true. */
          readonly enabled?: boolean;
          /** Share of failed final outcomes that opens it. Default: 50. */
          readonly failurePercent?: number;
          /** Fewer outcomes in the window never open it. Default: 20. */
          readonly minimumRequests?: number;
          /** Time over which outcomes are counted. Default: 10s. */
          readonly window?: string;
          /** Time open before the first probe; doubles on each failure. Default: 5s. */
          readonly openFor?: string;
          /** Longest time open. Default: 60s. */
          readonly maxOpenFor?: string;
          /** Successful probes that close it. Default: 3. */
          readonly probes?: number;
          /** A slower outcome counts as a failure; 0s is off. Default: 0s. */
          readonly slowerThan?: string;
        };
        /** Caps of requests in flight. */
        readonly concurrency?: {
          /** Requests in flight to the service from one process; 0 is no cap. Default: 0. */
          readonly maxRequests?: number;
        };
        /** Ejects endpoints that fail. On by default. */
        readonly outlierDetection?: {
          /** false switches it off. Default: true. */
          readonly enabled?: boolean;
          /** Failures in a row that eject an endpoint; 0 is off. Default: 5. */
          readonly consecutiveErrors?: number;
          /** Ejects endpoints that fail more than their siblings. Off when absent. */
          readonly successRate?: {
            /** Fewer endpoints are compared with the best instead. Default: 5. */
            readonly minimumEndpoints?: number;
            /** Requests that an endpoint needs to be judged. Default: 100. */
            readonly minimumRequests?: number;
            /** Standard deviations under the mean that eject. Default: 1.9. */
            readonly deviations?: number;
          };
          /** First ejection; grows with each. Default: 10s. */
          readonly baseEjection?: string;
          /** Longest ejection. Default: 5m. */
          readonly maxEjection?: string;
          /** Share of endpoints that may be ejected at once. Default: 50. */
          readonly maxEjectedPercent?: number;
        };
        /** Asks endpoints for their health. Off by default: it costs callers x endpoints. */
        readonly healthCheck?: {
          /** false switches it off. Default: true. */
          readonly enabled?: boolean;
          /** What is asked of an endpoint. */
          readonly type: 'Http' | 'Tcp';
          /** With type Http. */
          readonly http?: {
            /** Path to GET. Default: /. */
            readonly path?: string;
            /** Statuses of a healthy endpoint. Default: ["200-299"]. */
            readonly statuses?: readonly string[];
          };
          /** Time between checks. Default: 5s. */
          readonly interval?: string;
          /** A slower answer is a failure. Default: 1s. */
          readonly timeout?: string;
          /** Failures in a row that take an endpoint out. Default: 3. */
          readonly unhealthyAfter?: number;
          /** Successes in a row that bring it back. Default: 2. */
          readonly healthyAfter?: number;
        };
      };
      /** Where no AuthenticationPolicy applies. */
      readonly authentication?: {
        /** Mutual TLS on arrival. */
        readonly mtls?: {
          /** Mode of every port. Default: Permissive. */
          readonly mode?: 'Strict' | 'Permissive' | 'Disabled';
        };
      };
      /** Where no AuthorizationPolicy applies. Not served yet: DenyAll. Default: AllowAll. */
      readonly authorization?: 'AllowAll';
      /** Lowest layer of TelemetryPolicy. */
      readonly telemetry?: {
        /** Lines about requests; merged leaf by leaf. */
        readonly accessLog?: {
          /** Which requests get a line. Default: that of the proxy: Errors. */
          readonly when?: 'Never' | 'Errors' | 'Always';
          /** Names of the fields: ours, the Elastic Common Schema's or OpenTelemetry's. Default: Json. */
          readonly format?: 'Json' | 'Ecs' | 'Otel';
          /** Only requests for which it is true, such as status >= 500 || duration > 250ms. Default: all. */
          readonly filter?: string;
          /** Share of the lines that are written; failures are always written. Default: all. */
          readonly fraction?: {
            /** Of denominator lines, so many. */
            readonly numerator: number;
            /** Of so many. Default: 100. */
            readonly denominator?: number;
          };
          /** Whether lines show what stands after the ? of a path, where secrets travel. Default: Redact. */
          readonly query?: 'Redact' | 'Keep';
        };
        /** Spans of requests; merged leaf by leaf. */
        readonly traces?: {
          /** Share of the traces that begin here which are sampled. Default: that of the proxy. */
          readonly fraction?: {
            /** Of denominator traces, so many. */
            readonly numerator: number;
            /** Of so many. Default: 100. */
            readonly denominator?: number;
          };
          /** Whether the decision of a trace that came in holds. Default: true. */
          readonly parentBased?: boolean;
          /** Most traces begun in a second by one proxy; 0 is no limit. Default: 0. */
          readonly maxPerSecond?: number;
          /** Whether failed requests are exported though their trace is not sampled. Default: false. */
          readonly keepErrors?: boolean;
          /** Headers that carry the trace: read in this order, all written. Default: [W3C]. */
          readonly propagation?: readonly ('W3C' | 'B3' | 'B3Multi' | 'XRay')[];
        };
        /** Metrics of requests; merged leaf by leaf. */
        readonly metrics?: {
          /** Label sets a proxy holds; more are folded into other. Default: 5000. */
          readonly maxSeries?: number;
          /** Names of the durations of requests: ours, or those of OpenTelemetry's conventions. Default: Weft. */
          readonly names?: 'Weft' | 'OpenTelemetry';
          /** Labels that metrics of requests do without; they are empty then. Default: []. */
          readonly without?: readonly ('route' | 'rule' | 'source')[];
        };
      };
    };
    /** A floor that nothing below may weaken. */
    readonly required?: {
      /** Nothing may be weaker. */
      readonly authentication?: {
        /** Mutual TLS on arrival. */
        readonly mtls?: {
          /** Mode of every port. Default: Permissive. */
          readonly mode?: 'Strict' | 'Permissive' | 'Disabled';
        };
      };
    };
    /** Settings of edge gateways; only the defaults are served yet. */
    readonly gateway?: {
      /** Where a client's address comes from. */
      readonly clientAddress?: {
        /** Proxies in front whose word is taken. Not served yet: 1, 2, 3, 4, 5, 6, 7, 8. Default: 0. */
        readonly trustedHops?: 0;
        /** V2: every connection to a Gateway begins with a PROXY protocol header, which a balancer in front writes; its source is the client. Not served yet: V1. Default: Off. */
        readonly proxyProtocol?: 'Off' | 'V2';
      };
    };
  };
  readonly status?: {
    /** Of the object as a whole. */
    readonly conditions?: readonly {
      /** Accepted, ResolvedRefs or Programmed. */
      readonly type: string;
      readonly status: 'True' | 'False' | 'Unknown';
      /** One word for machines. */
      readonly reason: string;
      /** For people. */
      readonly message: string;
      /** Generation of the object that this is about. */
      readonly observedGeneration?: number;
      /** When status last changed. */
      readonly lastTransitionTime: string;
    }[];
  };
}

/** What is told of requests: lines, spans, metrics. */
export interface TelemetryPolicy {
  readonly apiVersion: 'weft.dev/v1alpha1';
  readonly kind: 'TelemetryPolicy';
  readonly metadata: NamespacedMetadata;
  readonly spec: {
    /** Workloads of this namespace. Neither selector nor targetRefs: all of it. */
    readonly selector?: {
      /** Labels of the workloads. */
      readonly matchLabels: Readonly<Record<string, string>>;
    };
    /** What the policy is about. Absent: its own namespace. */
    readonly targetRefs?: readonly {
      /** Group of the target: "" for a Service. */
      readonly group: string;
      /** Kind of the target. */
      readonly kind: string;
      /** Name of the target. */
      readonly name: string;
      /** Namespace of the target; another one makes this a policy of the consumer. Default: the policy's. */
      readonly namespace?: string;
      /** A port of the Service, a rule of the route or a listener of the Gateway. */
      readonly sectionName?: string;
    }[];
    /** Lines about requests; merged leaf by leaf. */
    readonly accessLog?: {
      /** Which requests get a line. Default: that of the proxy: Errors. */
      readonly when?: 'Never' | 'Errors' | 'Always';
      /** Names of the fields: ours, the Elastic Common Schema's or OpenTelemetry's. Default: Json. */
      readonly format?: 'Json' | 'Ecs' | 'Otel';
      /** Only requests for which it is true, such as status >= 500 || duration > 250ms. Default: all. */
      readonly filter?: string;
      /** Share of the lines that are written; failures are always written. Default: all. */
      readonly fraction?: {
        /** Of denominator lines, so many. */
        readonly numerator: number;
        /** Of so many. Default: 100. */
        readonly denominator?: number;
      };
      /** Whether lines show what stands after the ? of a path, where secrets travel. Default: Redact. */
      readonly query?: 'Redact' | 'Keep';
    };
    /** Spans of requests; merged leaf by leaf. */
    readonly traces?: {
      /** Share of the traces that begin here which are sampled. Default: that of the proxy. */
      readonly fraction?: {
        /** Of denominator traces, so many. */
        readonly numerator: number;
        /** Of so many. Default: 100. */
        readonly denominator?: number;
      };
      /** Whether the decision of a trace that came in holds. Default: true. */
      readonly parentBased?: boolean;
      /** Most traces begun in a second by one proxy; 0 is no limit. Default: 0. */
      readonly maxPerSecond?: number;
      /** Whether failed requests are exported though their trace is not sampled. Default: false. */
      readonly keepErrors?: boolean;
      /** Headers that carry the trace: read in this order, all written. Default: [W3C]. */
      readonly propagation?: readonly ('W3C' | 'B3' | 'B3Multi' | 'XRay')[];
    };
    /** Metrics of requests; merged leaf by leaf. */
    readonly metrics?: {
      /** Label sets a proxy holds; more are folded into other. Default: 5000. */
      readonly maxSeries?: number;
      /** Names of the durations of requests: ours, or those of OpenTelemetry's conventions. Default: Weft. */
      readonly names?: 'Weft' | 'OpenTelemetry';
      /** Labels that metrics of requests do without; they are empty then. Default: []. */
      readonly without?: readonly ('route' | 'rule' | 'source')[];
    };
  };
  readonly status?: {
    /** Of the object as a whole. */
    readonly conditions?: readonly {
      /** Accepted, ResolvedRefs or Programmed. */
      readonly type: string;
      readonly status: 'True' | 'False' | 'Unknown';
      /** One word for machines. */
      readonly reason: string;
      /** For people. */
      readonly message: string;
      /** Generation of the object that this is about. */
      readonly observedGeneration?: number;
      /** When status last changed. */
      readonly lastTransitionTime: string;
    }[];
    /** Of each target (GEP-713). Shared with other controllers: each writes its own entries. */
    readonly ancestors?: readonly {
      /** The target. */
      readonly ancestorRef: {
        readonly group?: string;
        readonly kind?: string;
        readonly namespace?: string;
        readonly name: string;
        readonly sectionName?: string;
      };
      /** Who says it. */
      readonly controllerName: string;
      /** At this target. */
      readonly conditions: readonly {
        /** Accepted, ResolvedRefs or Programmed. */
        readonly type: string;
        readonly status: 'True' | 'False' | 'Unknown';
        /** One word for machines. */
        readonly reason: string;
        /** For people. */
        readonly message: string;
        /** Generation of the object that this is about. */
        readonly observedGeneration?: number;
        /** When status last changed. */
        readonly lastTransitionTime: string;
      }[];
    }[];
  };
}

/** How callers call a service. */
export interface TrafficPolicy {
  readonly apiVersion: 'weft.dev/v1alpha1';
  readonly kind: 'TrafficPolicy';
  readonly metadata: NamespacedMetadata;
  readonly spec: {
    /** What the policy is about. Absent: its own namespace. */
    readonly targetRefs?: readonly {
      /** Group of the target: "" for a Service. */
      readonly group: string;
      /** Kind of the target. */
      readonly kind: string;
      /** Name of the target. */
      readonly name: string;
      /** Namespace of the target; another one makes this a policy of the consumer. Default: the policy's. */
      readonly namespace?: string;
      /** A port of the Service, a rule of the route or a listener of the Gateway. */
      readonly sectionName?: string;
    }[];
    /** How endpoints are picked. */
    readonly loadBalancer?: {
      /** How an endpoint is picked: by latency, by requests in flight, in turn, by chance. Not served yet: RingHash, Maglev. Default: PeakEwma. */
      readonly type?: 'PeakEwma' | 'LeastRequest' | 'RoundRobin' | 'Random';
      /** With type PeakEwma. */
      readonly peakEwma?: {
        /** How fast old latencies are forgotten. Default: 10s. */
        readonly decay?: string;
        /** What an endpoint without samples is taken for. Default: 30ms. */
        readonly initialLatency?: string;
      };
      /** Spares new endpoints. Off when absent. */
      readonly slowStart?: {
        /** false switches it off. Default: true. */
        readonly enabled?: boolean;
        /** Time in which a new endpoint grows to its full share. Default: 30s. */
        readonly window?: string;
        /** Share that it starts with. Default: 10. */
        readonly minimumWeightPercent?: number;
      };
      /** Whether endpoints of the caller's zone come first, or alone. Default: Prefer. */
      readonly locality?: 'Off' | 'Prefer' | 'Strict';
      /** Below this share of usable endpoints all are used again; 0 is off. Default: 50. */
      readonly panicBelowPercent?: number;
    };
    /** Caps and times of connections; merged leaf by leaf. */
    readonly connections?: {
      /** Connections to one endpoint from one process; 0 is no cap. Default: 0. */
      readonly maxPerEndpoint?: number;
      /** Requests that wait for a connection; 0 is no cap. Default: 0. */
      readonly maxPending?: number;
      /** An unused connection is closed after it; 0s is off. Default: 60s. */
      readonly idleTimeout?: string;
      /** A connection takes no new request after it; no stream is cut; 0s is off. Default: 0s. */
      readonly maxLifetime?: string;
      /** V2: a TCP connection begins with a PROXY protocol header that names the caller; the application must expect it. Default: Off. */
      readonly proxyProtocol?: 'Off' | 'V2';
      /** Preserve: field names keep their case between HTTP/1.1 programs; a request under way then has a connection to itself. Default: Any. */
      readonly fieldNameCase?: 'Any' | 'Preserve';
      /** Requests after which a connection is closed; 0 is no cap. Default: 0. */
      readonly maxRequestsPerConnection?: number;
    };
    /** Time limits; merged leaf by leaf. */
    readonly timeouts?: {
      /** Connection and TLS handshake; 0s is off. Default: 1s. */
      readonly connect?: string;
      /** The whole request with all its tries; 0s is off. Default: 0s. */
      readonly request?: string;
      /** One try; 0s is off. Default: 0s. */
      readonly backendRequest?: string;
      /** Time without a byte in either direction; 0s is off. Default: 5m. */
      readonly streamIdle?: string;
    };
    /** What is tried again. On by default. */
    readonly retries?: {
      /** false switches retries off. Default: true. */
      readonly enabled?: boolean;
      /** Tries after the first; 0 is off. Default: 2. */
      readonly attempts?: number;
      /** What is tried again; NeverSent is safe for all methods. Default: [NeverSent, ResetBeforeHeaders, GatewayError]. */
      readonly on?: readonly ('NeverSent' | 'ResetBeforeHeaders' | 'GatewayError' | 'PerTryTimeout')[];
      /** HTTP statuses that are tried again. Default: []. */
      readonly statuses?: readonly string[];
      /** gRPC statuses that are tried again. Default: []. */
      readonly grpcStatuses?: readonly ('OK' | 'CANCELLED' | 'UNKNOWN' | 'INVALID_ARGUMENT' | 'DEADLINE_EXCEEDED' | 'NOT_FOUND' | 'ALREADY_EXISTS' | 'PERMISSION_DENIED' | 'RESOURCE_EXHAUSTED' | 'FAILED_PRECONDITION' | 'ABORTED' | 'OUT_OF_RANGE' | 'UNIMPLEMENTED' | 'INTERNAL' | 'UNAVAILABLE' | 'DATA_LOSS' | 'UNAUTHENTICATED')[];
      /** Methods that may be tried again once sent. Default: Idempotent. */
      readonly methods?: 'Idempotent' | 'Any';
      /** Wait before a retry. */
      readonly backoff?: {
        /** Longest wait before the first retry; it doubles, drawn by full jitter. Default: 25ms. */
        readonly base?: string;
        /** Longest wait of all. Default: 250ms. */
        readonly max?: string;
      };
      /** Cap on retries, per process and service: the larger of percent and minimumPerSecond. */
      readonly budget?: {
        /** Retries per hundred requests of the window. Default: 20. */
        readonly percent?: number;
        /** Retries that are always allowed. Default: 1. */
        readonly minimumPerSecond?: number;
        /** Time over which requests are counted. Default: 10s. */
        readonly window?: string;
      };
      /** A longer request body is not kept for a retry. Default: 64Ki. */
      readonly bodyLimit?: number | string;
    };
    /** Refuses calls when all endpoints fail. On by default. */
    readonly circuitBreaker?: {
      /** false switches it off. Default: true. */
      readonly enabled?: boolean;
      /** Share of failed final outcomes that opens it. Default: 50. */
      readonly failurePercent?: number;
      /** Fewer outcomes in the window never open it. Default: 20. */
      readonly minimumRequests?: number;
      /** Time over which outcomes are counted. Default: 10s. */
      readonly window?: string;
      /** Time open before the first probe; doubles on each failure. Default: 5s. */
      readonly openFor?: string;
      /** Longest time open. Default: 60s. */
      readonly maxOpenFor?: string;
      /** Successful probes that close it. Default: 3. */
      readonly probes?: number;
      /** A slower outcome counts as a failure; 0s is off. Default: 0s. */
      readonly slowerThan?: string;
    };
    /** Caps of requests in flight. */
    readonly concurrency?: {
      /** Requests in flight to the service from one process; 0 is no cap. Default: 0. */
      readonly maxRequests?: number;
    };
    /** Ejects endpoints that fail. On by default. */
    readonly outlierDetection?: {
      /** false switches it off. Default: true. */
      readonly enabled?: boolean;
      /** Failures in a row that eject an endpoint; 0 is off. Default: 5. */
      readonly consecutiveErrors?: number;
      /** Ejects endpoints that fail more than their siblings. Off when absent. */
      readonly successRate?: {
        /** Fewer endpoints are compared with the best instead. Default: 5. */
        readonly minimumEndpoints?: number;
        /** Requests that an endpoint needs to be judged. Default: 100. */
        readonly minimumRequests?: number;
        /** Standard deviations under the mean that eject. Default: 1.9. */
        readonly deviations?: number;
      };
      /** First ejection; grows with each. Default: 10s. */
      readonly baseEjection?: string;
      /** Longest ejection. Default: 5m. */
      readonly maxEjection?: string;
      /** Share of endpoints that may be ejected at once. Default: 50. */
      readonly maxEjectedPercent?: number;
    };
    /** Asks endpoints for their health. Off by default: it costs callers x endpoints. */
    readonly healthCheck?: {
      /** false switches it off. Default: true. */
      readonly enabled?: boolean;
      /** What is asked of an endpoint. */
      readonly type: 'Http' | 'Tcp';
      /** With type Http. */
      readonly http?: {
        /** Path to GET. Default: /. */
        readonly path?: string;
        /** Statuses of a healthy endpoint. Default: ["200-299"]. */
        readonly statuses?: readonly string[];
      };
      /** Time between checks. Default: 5s. */
      readonly interval?: string;
      /** A slower answer is a failure. Default: 1s. */
      readonly timeout?: string;
      /** Failures in a row that take an endpoint out. Default: 3. */
      readonly unhealthyAfter?: number;
      /** Successes in a row that bring it back. Default: 2. */
      readonly healthyAfter?: number;
    };
  };
  readonly status?: {
    /** Of the object as a whole. */
    readonly conditions?: readonly {
      /** Accepted, ResolvedRefs or Programmed. */
      readonly type: string;
      readonly status: 'True' | 'False' | 'Unknown';
      /** One word for machines. */
      readonly reason: string;
      /** For people. */
      readonly message: string;
      /** Generation of the object that this is about. */
      readonly observedGeneration?: number;
      /** When status last changed. */
      readonly lastTransitionTime: string;
    }[];
    /** Of each target (GEP-713). Shared with other controllers: each writes its own entries. */
    readonly ancestors?: readonly {
      /** The target. */
      readonly ancestorRef: {
        readonly group?: string;
        readonly kind?: string;
        readonly namespace?: string;
        readonly name: string;
        readonly sectionName?: string;
      };
      /** Who says it. */
      readonly controllerName: string;
      /** At this target. */
      readonly conditions: readonly {
        /** Accepted, ResolvedRefs or Programmed. */
        readonly type: string;
        readonly status: 'True' | 'False' | 'Unknown';
        /** One word for machines. */
        readonly reason: string;
        /** For people. */
        readonly message: string;
        /** Generation of the object that this is about. */
        readonly observedGeneration?: number;
        /** When status last changed. */
        readonly lastTransitionTime: string;
      }[];
    }[];
  };
}

/** An instance that is not a pod. */
export interface WorkloadEntry {
  readonly apiVersion: 'weft.dev/v1alpha1';
  readonly kind: 'WorkloadEntry';
  readonly metadata: NamespacedMetadata;
  readonly spec: {
    /** Where the application listens. */
    readonly address: string;
    /** Ports of the application. Absent: any port that a Service names by number. */
    readonly ports?: readonly {
      /** Name that a Service may give as targetPort. */
      readonly name?: string;
      /** Port of the application. */
      readonly port: number;
    }[];
    /** Account whose identity the workload has. Default: default. */
    readonly serviceAccount?: string;
    /** Labels that Service selectors match. Default: the labels of metadata. */
    readonly labels?: Readonly<Record<string, string>>;
    /** Zone, for locality. Absent: unknown, never preferred. */
    readonly zone?: string;
    /** Share relative to the other instances; 0 draws nothing unless all are 0. Default: 100. */
    readonly weight?: number;
  };
  readonly status?: {
    /** Of the object as a whole. */
    readonly conditions?: readonly {
      /** Accepted, ResolvedRefs or Programmed. */
      readonly type: string;
      readonly status: 'True' | 'False' | 'Unknown';
      /** One word for machines. */
      readonly reason: string;
      /** For people. */
      readonly message: string;
      /** Generation of the object that this is about. */
      readonly observedGeneration?: number;
      /** When status last changed. */
      readonly lastTransitionTime: string;
    }[];
  };
}

export type WeftObject = AuthenticationPolicy | Mesh | TelemetryPolicy | TrafficPolicy | WorkloadEntry;
