-- KEYS: version of the rules, expiries of the holds, then counters. ARGV[1]: "read", or "reset" to set what is used to
-- nothing and have levels told again.
-- Answer: used and held of each counter. Then the holds that are due.

local numbers, counters = {now_unix_us, tonumber(call('GET', KEYS[1]) or 0)}, {}
for i = 3, #KEYS do
  local text = call('GET', KEYS[i])
  local counter = text and unpacked(text) or {0, 0}
  if text and ARGV[1] == 'reset' then
    counter = {0, counter[2], counter[3]}
    counters[KEYS[i]] = counter
  end
  numbers[#numbers + 1] = counter[1]
  numbers[#numbers + 1] = counter[2]
end
save_counters(counters)
return answer(numbers, due(KEYS[2]))
