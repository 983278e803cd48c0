-- Charges holds that expired. Every key has to be named, and only the holds know their counters: so first without
-- counters, which answers with those, then with them.
-- KEYS: version of the rules, expiries of the holds, the holds, then their counters. ARGV: holds, "look" or "charge".
-- Answer: how many holds were charged; then keys: of the counters, or of holds still due.

local hold_count = tonumber(ARGV[1])
local version = tonumber(call('GET', KEYS[1]) or 0)
if ARGV[2] == 'look' then
  local keys, seen = {}, {}
  for i = 1, hold_count do
    local text = call('GET', KEYS[2 + i])
    if text and text ~= 'settled' then
      local record = cmsgpack.unpack(text)
      for j = 6, #record, 3 do
        if not seen[record[j]] then
          seen[record[j]] = true
          keys[#keys + 1] = record[j]
        end
      end
    end
  end
  return answer({now_unix_us, version, 0}, keys)
end

local counters, charged = {}, 0
for i = 3 + hold_count, #KEYS do
  local text = call('GET', KEYS[i])
  counters[KEYS[i]] = text and unpacked(text) or nil
end
for i = 1, hold_count do
  local hold = KEYS[2 + i]
  local text, expires_us = call('GET', hold), call('ZSCORE', KEYS[2], hold)
  if expires_us and tonumber(expires_us) <= now_unix_us then
    call('ZREM', KEYS[2], hold)
    if text and text ~= 'settled' then
      local record = cmsgpack.unpack(text)
      for j = 6, #record, 3 do
        local counter = counters[record[j]]
        if counter then
          counter[2] = max(0, counter[2] - record[j + 1])
          counter[1] = counter[1] + record[j + 2]
        end
      end
      record[1] = 'lost'
      call('SET', hold, cmsgpack.pack(record), 'EX', kept.lost_s)
      charged = charged + 1
    end
  end
end
save_counters(counters)
return answer({now_unix_us, version, charged}, due(KEYS[2]))
