-- In front of each of the scripts beside it. Numbers are doubles, exact to 2^53; they are packed as such, since texts
-- would round large ones and take most of the time.
-- A counter is: used, held, when it is forgotten, levels that were told. A rate: when it is full, before when there is
-- no place, when it was looked at, each in seconds and nanoseconds. A hold is a table by cmsgpack: the state ("held",
-- "lost"), seconds and nanoseconds of when it is sent, who asked, the levels that it fired, and three items a need: the
-- counter's key, amount, charge if lost.
-- `kept` are the seconds that settled and lost holds and old counters are kept; `vigilo.state.redis` puts it here.
-- An answer is numbers, of which the first two are the time in microseconds and the version of the rules; or an array of
-- those and of keys or words.

local call, floor, max = redis.call, math.floor, math.max
local time = call('TIME')
local now_s, now_us = tonumber(time[1]), tonumber(time[2])
local now_unix_us = now_s * 1000000 + now_us

local function packed(numbers)
  return struct.pack('<' .. string.rep('d', #numbers), unpack(numbers))
end

local function unpacked(text)
  local numbers = {struct.unpack('<' .. string.rep('d', #text / 8), text)}
  numbers[#numbers] = nil -- where it stopped
  return numbers
end

local function answer(numbers, words)
  if #words == 0 then
    return packed(numbers)
  end
  return {packed(numbers), words}
end

local function forget_at(window_ends)
  if window_ends == 0 then
    return 0
  end
  return window_ends + math.min(kept.counter_s, max(kept.counter_min_s, 48 * (window_ends - now_s)))
end

local function save_counters(counters)
  for key, counter in pairs(counters) do
    while #counter > 3 + kept.levels do
      table.remove(counter, 4)
    end
    if counter[3] == 0 then
      call('SET', key, packed(counter))
    elseif counter[3] > now_s then
      call('SET', key, packed(counter), 'EX', counter[3] - now_s)
    end
  end
end

-- Tells levels that were reached and that nobody was told of: adds pairs of need and level, from 0. Known by their
-- marks, not by their places: a changed limit moves them, and they are news again.
local function fire(counters, needs, fired)
  for i, need in ipairs(needs) do
    local counter = counters[need.key]
    local total = counter[1] + counter[2]
    for j, mark in ipairs(need.levels) do
      if total < mark then
        break
      end
      local told = false
      for k = 4, #counter do
        told = told or counter[k] == mark
      end
      if not told then
        counter[#counter + 1] = mark
        fired[#fired + 1] = i - 1
        fired[#fired + 1] = j - 1
      end
    end
  end
end

-- Nanoseconds from now to a time, and the time so many nanoseconds from now.
local function ahead_ns(s, ns)
  return (s - now_s) * 1000000000 + (ns - now_us * 1000)
end

local function at_ns(ahead)
  local ns = now_us * 1000 + ahead
  local s = floor(ns / 1000000000)
  return now_s + s, ns - s * 1000000000
end

local function save_rate(key, full, not_before)
  local last = max(full, not_before)
  if last > 0 then
    local full_s, full_ns = at_ns(full)
    local not_before_s, not_before_ns = at_ns(not_before)
    local text = packed({full_s, full_ns, not_before_s, not_before_ns, now_s, now_us * 1000})
    call('SET', key, text, 'PX', math.ceil(last / 1000000) + 1)
  end
end

-- When the rate is full and before when there is no place, in nanoseconds from now. As far away as before where the
-- clock was set back since, and kept so: seen from that time on, the distance would not shrink.
local function load_rate(key)
  local text = call('GET', key)
  if not text then
    return 0, 0
  end
  local rate = unpacked(text)
  local back = max(0, ahead_ns(rate[5], rate[6]))
  local full, not_before = ahead_ns(rate[1], rate[2]) - back, ahead_ns(rate[3], rate[4]) - back
  if back > 0 then
    save_rate(key, full, not_before)
  end
  return full, not_before
end

-- Holds that expired and that nobody has charged yet; the client does so, since it has to name their counters.
local function due(key)
  return call('ZRANGEBYSCORE', key, '-inf', now_unix_us, 'LIMIT', 0, 100)
end

-- Adds used and held of each need to an answer, then the pairs of need and level that were reached.
local function tell(numbers, needs, counters, fired)
  for _, need in ipairs(needs) do
    numbers[#numbers + 1] = counters[need.key][1]
    numbers[#numbers + 1] = counters[need.key][2]
  end
  for _, number in ipairs(fired) do
    numbers[#numbers + 1] = number
  end
  return numbers
end
