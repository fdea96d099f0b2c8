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

-- The readers are a string while there is one, its owner, and it expires with the key. From the second one on they are a sorted
-- set, whose scores are the times at which they expire. `only` is that string, or nothing.

-- Adds a reader, or changes for how long it holds the lock. Returns a reply if that fails.
local function add_reader(readers, only, owner, ttl)
  if only == owner then
    redis.call('SET', readers, owner, 'PX', ttl)
    return
  end
  if not only and redis.call('SET', readers, owner, 'PX', ttl, 'NX') then return end
  local now, left = clock(), redis.call('PTTL', readers)
  local longest = math.max(left, ttl + 0)
  if only then
    -- Another program's value is not replaced.
    if left < 0 or #only > 64 then return {'WRONGTYPE', readers} end
    -- A user that lacks a right must not remove the first reader, or leave a set that never expires: try them before.
    redis.call('PEXPIRE', readers, longest)
    local refused = redis.pcall('ZADD', readers, now, owner)
    if not string.find(refused.err, 'WRONGTYPE', 1, true) then return refused end
    redis.call('DEL', readers)
    redis.call('ZADD', readers, now + left, only)
  end
  redis.call('ZADD', readers, now + ttl, owner)
  -- Expired ones go after the entry has been added: if they were the only ones, the key would go with them, and its expiry too.
  if only or left < longest then redis.call('PEXPIRE', readers, longest) end
  redis.call('ZREMRANGEBYSCORE', readers, '-inf', now)
end

-- For how many ms readers hold the lock. -1 if the string has no expiry: it is another program's.
local function read_for(readers, only)
  if only then return redis.call('PTTL', readers) end
  local last = redis.call('ZRANGE', readers, -1, -1, 'WITHSCORES')
  return last[2] and math.max(last[2] - clock(), 0) or 0
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
