-- Ends a hold with what was used in truth, once.
-- KEYS: version of the rules, the hold, the counters of the needs, then expiries of the holds.
-- ARGV[1]: whether to look for expired holds, needs; a need: amount, when its window is over, levels, each level.
-- Answer: used and held of each need, then pairs of need and level that were reached. Then the holds that are due.

local argv = unpacked(ARGV[1])
local need_count = argv[2]
local found = call('MGET', unpack(KEYS, 1, 2 + need_count))
local needs, counters = {}, {}
local at = 3
for i = 1, need_count do
  local key, levels, level_count = KEYS[2 + i], {}, argv[at + 2]
  for j = 1, level_count do
    levels[j] = argv[at + 2 + j]
  end
  needs[i] = {key = key, amount = argv[at], levels = levels}
  counters[key] = counters[key] or found[2 + i] and unpacked(found[2 + i]) or {0, 0, forget_at(argv[at + 1])}
  at = at + 3 + level_count
end

local fired, earlier = {}, found[2]
if earlier ~= 'settled' then
  if earlier then
    local record = cmsgpack.unpack(earlier)
    local held = record[1] == 'held'
    for i = 6, #record, 3 do
      local counter = counters[record[i]]
      if counter and held then
        counter[2] = max(0, counter[2] - record[i + 1])
      elseif counter then
        counter[1] = max(0, counter[1] - record[i + 2])
      end
    end
    if held then
      call('ZREM', KEYS[#KEYS], KEYS[2])
    end
  end
  for _, need in ipairs(needs) do
    counters[need.key][1] = counters[need.key][1] + need.amount
  end
  fire(counters, needs, fired)
  save_counters(counters)
  call('SET', KEYS[2], 'settled', 'EX', kept.settled_s)
end

local numbers = {now_unix_us, tonumber(found[1] or 0)}
tell(numbers, needs, counters, fired)
return answer(numbers, argv[1] == 1 and due(KEYS[#KEYS]) or {})
