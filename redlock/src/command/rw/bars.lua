-- What the scripts of a read/write lock share. Prepended to those that need it.
--
-- A lock has two bars, one for each side: the highest token that the other side has used, or that a release has left. A
-- bar is a fence: a token that is not above it is stale.
local function is_bar(bar)
  return not bar or string.match(bar, '^%d+$') and #bar <= 16 and tonumber(bar) < 2 ^ 53 - 2 ^ 40
end

-- Raises a bar to a token, and never lowers it. Says whether it could: not where the key has another type.
local function raise(key, bar, token, retention)
  if not bar then return redis.call('SET', key, token, 'PX', retention, 'NX') end
  if tonumber(bar) < tonumber(token) then return redis.call('SET', key, token, 'PX', retention) end
  redis.call('PEXPIRE', key, retention)
  return true
end

-- For how many ms readers hold the lock. Each has an entry that expires by the clock of this server.
local function read_for(readers)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = redis.call('ZRANGE', readers, -1, -1, 'WITHSCORES')
  return last[2] and math.max(tonumber(last[2]) - now, 0) or 0, now
end

-- The reply to a request that is refused: `holder` has the lock for `left` ms. Adds the inbox to the waitlist.
local function held(left, bar, holder, waiters, inbox, since)
  local reply = {'HELD', left, bar and #bar <= 16 and bar or '0', #holder <= 64 and holder or ''}
  if inbox ~= '' then
    if type(redis.pcall('ZADD', waiters, since, inbox)) ~= 'number' then
      reply[5] = 0
    elseif redis.call('PTTL', waiters) < left + 10000 then
      redis.pcall('PEXPIRE', waiters, left + 10000)
    end
  end
  return reply
end

-- Stands for all readers, or for a writer that waits: none of them is named.
local somebody = '00000000000000000000000000002ed1'
