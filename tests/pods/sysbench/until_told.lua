-- sysbench's oltp_read_write as it is, until /tmp/stop is there. Goes on after what the manual says of restarts
-- (docs/kubernetes.md), says each time after what, and ends at anything else.
--
-- A lost connection is made again here: Debian's sysbench 1.0.20 does not survive its own way of doing that, also
-- without any proxy (--mysql-ignore-errors=2013, then KILL of its connection: segmentation fault).
dofile("/usr/share/sysbench/oltp_read_write.lua")
local ffi = require("ffi")
ffi.cdef("int usleep(unsigned int microseconds);")

local EXPECTED = {
   [1053] = true, -- the member of a transaction goes down, or the connection's proxy does
   [1180] = true, -- the member was lost while it committed
   [2006] = true, -- the connection's proxy has gone away
   [2013] = true, -- so it has in the middle of a statement
   [2027] = true, -- a transaction's member was lost: so MariaDB's library shows the proxy's 2013
   [3100] = true, -- MySQL's own error for a COMMIT that its shutdown meets (replication hook 'before_commit')
   [9001] = true, -- there was no primary for 10 s
}
local CONNECTION_IS_LOST = { [1053] = true, [2006] = true, [2013] = true }

local transaction = event
function event()
   local told = io.open("/tmp/stop")
   if told then
      told:close()
      return true
   end
   transaction()
end

function sysbench.hooks.sql_error_ignorable(failure)
   return EXPECTED[failure.sql_errno]
end

-- As a thread begins. What stood on the lost connection is kept: nobody may close it a second time.
local lost = {}
local function connect_again()
   table.insert(lost, { con, stmt, param })
   pcall(con.disconnect, con)
   thread_init()
end

local function text(failure)
   return type(failure) == "table" and failure.sql_errmsg or tostring(failure)
end

function sysbench.hooks.before_restart_event(failure)
   print(string.format("goes on after error %d %s", failure.sql_errno, failure.sql_errmsg))
   if not CONNECTION_IS_LOST[failure.sql_errno] then return end
   local connected, why = pcall(connect_again)
   while not connected do
      print("cannot connect: " .. text(why))
      ffi.C.usleep(100000)
      connected, why = pcall(connect_again)
   end
   print("has connected again")
end
