-- The rules, and their version, which no two states of them share, not even after Redis was emptied.
-- KEYS: version of the rules, the rules. ARGV: "get"; "put", name, rule; "drop", name.
-- Answer: whether they changed; then names and rules in turn.

local version, changed = tonumber(call('GET', KEYS[1]) or 0), 0
if ARGV[1] == 'put' then
  call('HSET', KEYS[2], ARGV[2], ARGV[3])
  changed = 1
elseif ARGV[1] == 'drop' then
  changed = call('HDEL', KEYS[2], ARGV[2])
end
if changed == 1 then
  version = max(version + 1, now_unix_us)
  call('SET', KEYS[1], string.format('%.0f', version))
end
return answer({now_unix_us, version, changed}, ARGV[1] == 'get' and call('HGETALL', KEYS[2]) or {})
