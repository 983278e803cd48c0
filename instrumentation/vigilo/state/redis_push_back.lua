-- No place of a rate before a time.
-- KEYS: version of the rules, the rate. ARGV: seconds and nanoseconds of the time.

local full, not_before = load_rate(KEYS[2])
save_rate(KEYS[2], full, max(not_before, ahead_ns(tonumber(ARGV[1]), tonumber(ARGV[2]))))
return answer({now_unix_us, tonumber(call('GET', KEYS[1]) or 0)}, {})
