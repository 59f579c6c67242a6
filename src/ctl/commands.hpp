#pragma once
// One function a command, each in a file of its own. Thread safety: functions. Failures: as in command.hpp.

#include "ctl/command.hpp"

namespace memoir::ctl {

Command status_command();
Command jobs_list_command();
Command jobs_show_command();
Command jobs_why_command();
Command jobs_retry_command();
Command jobs_delete_command();
Command jobs_count_command();
Command schema_check_command();
Command schema_apply_command();
Command schema_remove_command();
Command schema_grants_command();
Command backends_probe_command();
Command pause_command();
Command resume_command();
Command remember_command();
Command search_command();
Command doctor_command();
Command reconcile_command();
Command graph_show_command();
Command stats_extraction_command();

}  // namespace memoir::ctl
