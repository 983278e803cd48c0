-- Holds all needs and takes all slots, or nothing.
-- KEYS: version of the rules, the hold, the counters of the needs, the rates, then expiries of the holds.
-- ARGV[1]: whether to look for expired holds, microseconds until this one expires, needs, slots, who asks; a need:
-- amount, limit or -1, charge if lost, when its window is over, levels, each level; a slot: interval, burst and longest
-- wait in nanoseconds.
-- Answer: 1, wait, used and held of each need, then pairs of need and level that were reached; or 0, need or -1, used,
-- held, slot or -1, wait. Then the holds that are due.

local argv = unpacked(ARGV[1])
local look, expires_us, need_count, slot_count, asker = argv[1], argv[2], argv[3], argv[4], argv[5]
local found = call('MGET', unpack(KEYS, 1, 2 + need_count))
local needs, counters, pending, short = {}, {}, {}, nil
local at = 6
for i = 1, need_count do
  local key, amount, levels, level_count = KEYS[2 + i], argv[at], {}, argv[at + 4]
  for j = 1, level_count do
    levels[j] = argv[at + 4 + j]
  end
  needs[i] = {key = key, amount = amount, lost = argv[at + 2], levels = levels}
  local counter = counters[key]
  if not counter then
    counter = found[2 + i] and unpacked(found[2 + i]) or {0, 0, forget_at(argv[at + 3])}
    counters[key], pending[key] = counter, 0
  end
  pending[key] = pending[key] + amount
  if not short and argv[at + 1] >= 0 and counter[1] + counter[2] + pending[key] > argv[at + 1] then
    short = i
  end
  at = at + 5 + level_count
end

local function reserved(wait_ns, fired)
  local numbers = {now_unix_us, tonumber(found[1] or 0), 1, wait_ns}
  return answer(tell(numbers, needs, counters, fired), look == 1 and due(KEYS[#KEYS]) or {})
end

local function refused(need, used, held, slot, wait_ns)
  return answer({now_unix_us, tonumber(found[1] or 0), 0, need, used, held, slot, wait_ns}, due(KEYS[#KEYS]))
end

local earlier = need_count > 0 and found[2]
if earlier then
  if earlier == 'settled' then
    return reserved(0, {})
  end
  local record = cmsgpack.unpack(earlier)
  local wait_ns = record[1] == 'held' and max(0, ahead_ns(record[2], record[3])) or 0
  -- The same question again, because the answer was lost: nobody was told of these levels.
  return reserved(wait_ns, record[4] == asker and record[5] or {})
end
if short then
  local counter = counters[needs[short].key]
  return refused(short - 1, counter[1], counter[2], -1, 0)
end

local rates, longest_ns = {}, 0
for i = 1, slot_count do
  local key, interval, burst, max_wait = KEYS[2 + need_count + i], argv[at], argv[at + 1], argv[at + 2]
  at = at + 3
  local rate = rates[key] or {load_rate(key)}
  local sent = max(0, rate[2])
  local full = max(rate[1], sent)
  local wait_ns = max(sent, full - (burst - 1) * interval)
  if wait_ns > max_wait then
    return refused(-1, 0, 0, i - 1, wait_ns)
  end
  rates[key] = {full + interval, rate[2]}
  longest_ns = max(longest_ns, wait_ns)
end
for key, rate in pairs(rates) do
  save_rate(key, rate[1], rate[2])
end
if need_count == 0 then
  return reserved(longest_ns, {})
end

local sent_s, sent_ns = at_ns(longest_ns)
local fired = {}
local record = {'held', sent_s, sent_ns, asker, fired}
for _, need in ipairs(needs) do
  local counter = counters[need.key]
  counter[2] = counter[2] + need.amount
  record[#record + 1] = need.key
  record[#record + 1] = need.amount
  record[#record + 1] = need.lost
end
fire(counters, needs, fired)
save_counters(counters)
call('SET', KEYS[2], cmsgpack.pack(record), 'EX', math.ceil(expires_us / 1000000) + kept.lost_s)
call('ZADD', KEYS[#KEYS], now_unix_us + expires_us, KEYS[2])
return reserved(longest_ns, fired)
