-- Notifies the first two waiters that a lock is free. Prepended to the scripts that need it.
--
-- A waiter is the inbox of a process, a channel that it subscribes to on every node. The first one that has a subscriber is
-- to take the lock. It is removed from the waitlist: if it is too late it joins again, and if it never takes the lock, the next
-- release is not wasted on it. The second one is notified without an owner, and checks after a while whether the first one has
-- taken the lock. Inboxes without a subscriber are removed. If the user lacks the right to publish, nobody is notified and waiters poll.
-- Only the unique part of an owner is sent, which has a fixed length, without the label behind it.
--
-- Returns how many were notified.
local function notify(waiters, channel, owner, lock)
  local notified = 0
  repeat
    -- Look at batches of them until two have a subscriber: any number of processes may have crashed.
    local inboxes = redis.pcall('ZRANGE', waiters, 0, 15)
    if inboxes.err then return notified end
    for _, inbox in ipairs(inboxes) do
      local by = notified == 0 and string.sub(owner, 1, 32) or string.rep('0', 32)
      local subscribers = redis.pcall('PUBLISH', channel .. inbox, by .. lock)
      if type(subscribers) ~= 'number' then return notified end
      if subscribers > 0 then notified = notified + 1 end
      if notified == 2 then return notified end
      if redis.pcall('ZREM', waiters, inbox) ~= 1 then return notified end
    end
  until #inboxes < 16
  return notified
end
