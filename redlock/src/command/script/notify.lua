-- Notifies the first two waiters that a lock is free. Prepended to the scripts that need it.
--
-- A waiter is the inbox of a process, a channel that it subscribes to on every node. The first one that has a subscriber is
-- to take the lock. It is removed from the waitlist: if it comes too late it joins again, and if it never comes, the next
-- release is not wasted on it. The second one is notified without an owner, and after a while checks whether the first
-- one came. Inboxes without a subscriber are removed. Without the right to publish nobody is notified, and waiters poll.
-- Of an owner only the unique part is sent, which is of one length, and not the label behind it.
--
-- Returns how many were notified.
local function notify(waiters, channel, owner, lock)
  local notified = 0
  repeat
    -- In batches, until two have a subscriber: any number of processes before them may have crashed.
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
