-- Tells those who wait for a lock that it is free. Stands before the scripts that need it.
--
-- A waiter is the inbox of a process: a channel that it listens to on every node. The first two that somebody hears
-- are told, so that one slow process does not hold up the rest; inboxes that nobody listens to are struck off. A
-- user without the right to publish wakes nobody, and the waiters look for themselves after a while.
--
-- Returns how many were told.
local function wake(waiters, channel, message)
  local inboxes = redis.pcall('ZRANGE', waiters, 0, 15)
  if inboxes.err then return 0 end
  local told = 0
  for _, inbox in ipairs(inboxes) do
    local heard = redis.pcall('PUBLISH', channel .. inbox, message)
    if type(heard) ~= 'number' then return told end
    if heard > 0 then
      told = told + 1
      if told == 2 then return told end
    else
      redis.pcall('ZREM', waiters, inbox)
    end
  end
  return told
end

