-- Ends the quarantine of a server: an operator vouches that it has forgotten no lock.
--
-- KEYS  1 marker  2 quarantine
-- ARGV  1 value of the marker
--
-- OK  votes from now on
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return redis.status_reply('OK')
