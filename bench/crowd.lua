-- wrk has no rate of its own: each connection waits for 100 ms after each answer, so eleven make 100 requests a second.
function delay()
  return 100
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p95_ms": %.1f, "p99_ms": %.1f, "no answer": %d, "cut off": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    failed.connect + failed.timeout, failed.read + failed.write, failed.status))
end
