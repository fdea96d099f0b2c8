-- Notifies all waiters of a waitlist and removes them: waiting readers can acquire the lock at the same time. Prepended to the scripts that
-- need it. Returns how many of them have a subscriber.
local function notify_all(waiters, channel, owner, lock)
  local notified = 0
  repeat
    local inboxes = redis.pcall('ZRANGE', waiters, 0, 127)
    if #inboxes == 0 then break end
    for _, inbox in ipairs(inboxes) do
      local subscribers = redis.pcall('PUBLISH', channel .. inbox, string.sub(owner, 1, 32) .. lock)
      if type(subscribers) == 'number' and subscribers > 0 then notified = notified + 1 end
    end
  until redis.pcall('ZREM', waiters, unpack(inboxes)) ~= 128
  return notified
end
