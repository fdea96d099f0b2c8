-- Tells those who wait for a lock that it is free. Stands before the scripts that need it.
--
-- A waiter is the inbox of a process: a channel that it listens to on every node. The first that somebody hears is to
-- take the lock. It is struck off: if it comes too late, it takes its place again, and if it never comes, the next
-- release is not wasted on it. The second one is told in nobody's name, and looks after a while whether the first one
-- came. Inboxes that nobody listens to are struck off. A user without the right to publish wakes nobody, and the
-- waiters look for themselves after a while.
--
-- Returns how many were told.
local function wake(waiters, channel, owner, lock)
  local told = 0
  repeat
    -- Some at a time, until two have heard: any number of those before them may have crashed.
    local inboxes = redis.pcall('ZRANGE', waiters, 0, 15)
    if inboxes.err then return told end
    for _, inbox in ipairs(inboxes) do
      local by = told == 0 and owner or string.rep('0', 32)
      local heard = redis.pcall('PUBLISH', channel .. inbox, by .. lock)
      if type(heard) ~= 'number' then return told end
      if heard > 0 then told = told + 1 end
      if told == 2 then return told end
      if redis.pcall('ZREM', waiters, inbox) ~= 1 then return told end
    end
  until #inboxes < 16
  return told
end
