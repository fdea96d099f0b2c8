-- Decides whether this server votes, under the strict restart guard. Prepended to the scripts that need it.
--
-- The marker names the process that the server was when it was last checked: its run id, the clients' max_ttl, and the
-- epoch of its election if sentinels elect it. A server whose marker is missing, or names another process or an earlier
-- election, may have lost locks: it is quarantined until all of them have expired, whatever its uptime is.
--
-- Returns nothing when it votes, else
-- {QUARANTINED, left}  no vote for `left` ms
-- {MAXTTL, marker}     other clients have another max_ttl
-- {EPOCH, marker}      the client does not know the latest election yet
local function no_vote(marker_key, quarantine_key, marker, guard)
  local was = redis.call('GET', marker_key)
  if was ~= marker then
    local parts = '^(%S+) (%d+) ?(%d*)$'
    local process, ttl, epoch = string.match(marker, parts)
    local was_process, was_ttl, was_epoch = string.match(was or '', parts)
    if was_process == process then
      if was_ttl ~= ttl then return {'MAXTTL', string.sub(was, 1, 64)} end
      if (tonumber(was_epoch) or -1) > (tonumber(epoch) or -1) then return {'EPOCH', string.sub(was, 1, 64)} end
    end
    redis.call('SET', quarantine_key, process, 'PX', guard)
    redis.call('SET', marker_key, marker)
  end
  local left = redis.call('PTTL', quarantine_key)
  if left > 0 then return {'QUARANTINED', left} end
end

