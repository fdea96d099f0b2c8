-- Functions that the scripts of a read/write lock share. Prepended to the scripts that need them.
--
-- A lock has two bars, one for readers and one for writers. A bar is a fence: an acquire whose token is not above the bar of
-- its side is stale. The tokens of writers raise both bars, those of readers raise the bar of the writers, and a tombstone
-- raises the bar of its own side.
--
-- Arithmetic (`bar + 0`) converts a string of digits at half of the cost of tonumber.
local function is_bar(bar)
  return not bar or string.match(bar, '^%d+$') and #bar <= 16 and bar + 0 < 2 ^ 53 - 2 ^ 40
end

-- Raises a bar to a token, and never lowers it. Returns false if the key has another type.
local function raise(key, bar, token, retention)
  if not bar then return redis.call('SET', key, token, 'PX', retention, 'NX') end
  if bar + 0 < token + 0 then return redis.call('SET', key, token, 'PX', retention) end
  redis.call('PEXPIRE', key, retention)
  return true
end

-- The clock of this server in ms, by which the entries of readers expire.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- For how many ms readers hold the lock. Each has an entry that expires.
local function read_for(readers)
  local last = redis.call('ZRANGE', readers, -1, -1, 'WITHSCORES')
  return last[2] and math.max(tonumber(last[2]) - clock(), 0) or 0
end

-- Returns the reply to a request that is refused, because `holder` has the lock for `left` ms. Adds the inbox to the waitlist.
local function held(left, bar, holder, waiters, inbox, since)
  local reply = {'HELD', left, bar and #bar <= 16 and bar or '0', #holder <= 64 and holder or ''}
  if inbox ~= '' then
    local listed = redis.pcall('ZADD', waiters, since, inbox)
    -- A release reads the list and removes inboxes: without these rights, a notification may never come.
    if type(listed) ~= 'number' or redis.pcall('ZRANGE', waiters, 0, 0).err
        or type(redis.pcall('ZREM', waiters, '')) ~= 'number' then
      reply[5] = 0
    elseif redis.call('PTTL', waiters) < left + 10000 then
      redis.pcall('PEXPIRE', waiters, left + 10000)
    end
  end
  return reply
end

-- The holder in replies stands for all readers, or for a waiting writer: none of them is named.
local somebody = '00000000000000000000000000002ed1'
