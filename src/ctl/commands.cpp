#include "ctl/commands.hpp"

#include "ctl/cli.hpp"

namespace memoir::ctl {

const std::vector<Command>& commands() {
    static const std::vector<Command> all{
        status_command(),       jobs_list_command(),     jobs_show_command(),     jobs_why_command(),
        jobs_retry_command(),   jobs_delete_command(),   jobs_count_command(),    schema_check_command(),
        schema_apply_command(), schema_remove_command(), schema_grants_command(), backends_probe_command(),
        pause_command(),        resume_command(),        remember_command(),      search_command(),
        doctor_command(),       reconcile_command(),     graph_show_command(),    stats_extraction_command(),
    };
    return all;
}

const std::vector<Option>& shared_options() {
    static const std::vector<Option> all = [] {
        auto table = config::source_options();
        table.insert(table.end(), {
                                      {"json", "", "print JSON, also for errors"},
                                      {"help", "", "print this help", {}, 'h'},
                                      {"version", "", "print the version"},
                                  });
        return table;
    }();
    return all;
}

const std::vector<ExitMeaning>& exit_codes() {
    static const std::vector<ExitMeaning> all{
        {ok, "Done."},
        {unexpected, "What was asked for does not exist (a job, say), or an unexpected error occurred."},
        {usage, "The command line cannot be understood."},
        {unavailable, "The database or a backend that the command needs cannot be reached."},
        {configuration,
         "The configuration, the schema, a privilege or a model's files must be corrected first."},
    };
    return all;
}

}  // namespace memoir::ctl
