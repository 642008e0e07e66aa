export { activeTraceId, continueTrace, followTraces, inSpan, traceHeaders } from './spans.js';
export { parseTraceparent } from './traceparent.js';
