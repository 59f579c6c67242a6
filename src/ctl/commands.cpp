#include "ctl/commands.hpp"

namespace memoir::ctl {

const std::vector<Command>& commands() {
    static const std::vector<Command> all{
        status_command(),       jobs_list_command(),     jobs_show_command(),        jobs_why_command(),
        jobs_retry_command(),   jobs_delete_command(),   jobs_count_command(),       schema_check_command(),
        schema_apply_command(), schema_remove_command(), schema_grants_command(),    pause_command(),
        resume_command(),       remember_command(),      search_command(),           doctor_command(),
        reconcile_command(),    graph_show_command(),    stats_extraction_command(),
    };
    return all;
}

}  // namespace memoir::ctl
