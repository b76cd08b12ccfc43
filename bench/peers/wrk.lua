-- The question of every call, with its number in it, and the figures of a run as one line of JSON.
-- From the environment: QUESTION, the head with places for the number; FIRST, the number to begin with.
local question = os.getenv("QUESTION")
local number = tonumber(os.getenv("FIRST"))

function request()
  number = (number + 1) % 1000000
  return string.format(question, number, number, number, number)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answered": %d, "refused": %d, "broken": %d, "late": %d, "micros": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
