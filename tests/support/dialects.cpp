#include "support/dialects.hpp"

#include <array>

namespace memoir::test {
namespace {

using enum Refusal;

constexpr std::
    array
        rows{
            // --- OpenAI and what is compatible
            // ---------------------------------------------------------------------
            Dialect{
                "OpenAI", "openai", credentials, 401,
                R"({"error":{"message":"Incorrect API key provided: sk-1. MEMORY","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})"},
            Dialect{
                "OpenAI", "openai", model, 404,
                R"({"error":{"message":"The model `m` does not exist or you do not have access to it. MEMORY","type":"invalid_request_error","param":null,"code":"model_not_found"}})"},
            Dialect{
                "OpenAI", "openai", billing, 429,
                R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details. MEMORY","type":"insufficient_quota","param":null,"code":"insufficient_quota"}})"},
            Dialect{
                "OpenAI", "openai", rate, 429,
                R"({"error":{"message":"Rate limit reached for m. MEMORY","type":"tokens","param":null,"code":"rate_limit_exceeded"}})"},
            Dialect{
                "OpenAI", "openai", too_long, 400,
                R"({"error":{"message":"This model's maximum context length is 128000 tokens. MEMORY","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})"},
            Dialect{
                "OpenAI", "openai", parameter, 400,
                R"({"error":{"message":"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}})",
                "temperature"},
            Dialect{
                "OpenAI", "openai", batch, 400,
                R"({"error":{"message":"Invalid 'input': array too long. Expected an array with maximum length 7, but got an array with length 40 instead.","type":"invalid_request_error","param":"input","code":null}})",
                "", 7},
            Dialect{
                "OpenAI", "openai", size, 400,
                R"({"error":{"message":"Requested 310000 tokens, max 300000 tokens per request","type":"max_tokens_per_request","param":null,"code":"max_tokens_per_request"}})"},
            Dialect{
                "Azure", "openai", credentials, 401,
                R"({"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. MEMORY"}})"},
            Dialect{
                "Azure", "openai", model, 404,
                R"({"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. MEMORY"}})"},
            Dialect{
                "Azure", "openai", model, 400,
                R"({"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model. MEMORY"}})"},
            Dialect{
                "Azure", "openai", rate, 429,
                R"({"error":{"code":"429","message":"Requests to the API have exceeded the call rate limit. MEMORY"}})"},
            Dialect{
                "Azure", "openai", filtered, 400,
                R"({"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. MEMORY","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}})"},
            Dialect{
                "Gemini", "openai", credentials, 400,
                R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key. MEMORY","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}])"},
            Dialect{
                "Gemini", "openai", credentials, 400,
                R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}])"},
            Dialect{
                "Gemini", "openai", credentials, 401,
                R"([{"error":{"code":401,"message":"Request had invalid authentication credentials. MEMORY","status":"UNAUTHENTICATED"}}])"},
            Dialect{
                "Gemini", "openai", credentials, 403,
                R"([{"error":{"code":403,"message":"Permission denied. MEMORY","status":"PERMISSION_DENIED"}}])"},
            Dialect{
                "Gemini", "openai", model, 404,
                R"([{"error":{"code":404,"message":"models/m is not found for API version v1main, or is not supported. MEMORY","status":"NOT_FOUND"}}])"},
            Dialect{
                "Gemini", "openai", rate, 429,
                R"([{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. MEMORY","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}])"},
            Dialect{
                "Gemini", "openai", rate, 200,
                R"([{"error":{"code":429,"message":"Resource has been exhausted. MEMORY","status":"RESOURCE_EXHAUSTED"}}])"},
            Dialect{
                "Gemini", "openai", away, 503,
                R"([{"error":{"code":503,"message":"The service is currently unavailable. MEMORY","status":"UNAVAILABLE"}}])"},
            Dialect{
                "Gemini", "openai", too_long, 400,
                R"([{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576). MEMORY","status":"INVALID_ARGUMENT"}}])"},
            Dialect{
                "Gemini", "openai", batch, 400,
                R"([{"error":{"code":400,"message":"* BatchEmbedContentsRequest.requests: at most 9 requests can be in one batch\n","status":"INVALID_ARGUMENT"}}])",
                "", 9},
            Dialect{
                "LiteLLM", "openai", credentials, 401,
                R"({"error":{"message":"Authentication Error, Invalid proxy server token passed. MEMORY","type":"token_not_found_in_db","param":"key","code":"401"}})"},
            Dialect{"LiteLLM",
                    "openai", credentials, 400, R"({"error":{"message":"litellm.AuthenticationError: AuthenticationError: OpenAIException - MEMORY","type":null,"param":null,"code":"401"}})"},
            Dialect{
                "LiteLLM", "openai", model, 400,
                R"({"error":{"message":"/chat/completions: Invalid model name passed in model=m. MEMORY","type":"invalid_request_error","param":"model","code":"400"}})"},
            Dialect{
                "LiteLLM", "openai", billing, 400,
                R"({"error":{"message":"Budget has been exceeded! Current cost: 10.1, Max budget: 10.0","type":"budget_exceeded","param":null,"code":"400"}})"},
            Dialect{
                "LiteLLM", "openai", rate, 429,
                R"({"error":{"message":"No deployments available for selected model, Try again in 60 seconds. MEMORY","type":"None","param":"None","code":"429"}})"},
            Dialect{
                "LiteLLM", "openai", rate, 500,
                R"({"error":{"message":"litellm.RateLimitError: RateLimitError: OpenAIException - MEMORY","type":null,"param":null,"code":"500"}})"},
            Dialect{
                "LiteLLM", "openai", away, 500,
                R"({"error":{"message":"litellm.APIConnectionError: Connection error. MEMORY","type":null,"param":null,"code":"500"}})"},
            Dialect{
                "LiteLLM", "openai", too_long, 400,
                R"({"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: MEMORY","type":null,"param":null,"code":"400"}})"},
            Dialect{
                "LiteLLM", "openai", parameter, 400,
                R"({"error":{"message":"litellm.UnsupportedParamsError: gpt-5 models (including gpt-5-codex) don't support temperature=0.0. Only temperature=1 is supported.","type":"None","param":null,"code":"400"}})",
                "temperature"},
            Dialect{
                "LiteLLM", "openai", parameter, 400,
                R"({"error":{"message":"litellm.UnsupportedParamsError: provider does not support parameters: ['response_format'], for model=m.","type":"None","param":null,"code":"400"}})",
                "json_schema"},
            Dialect{"OpenRouter", "openai", credentials, 401,
                    R"({"error":{"message":"No auth credentials found","code":401}})"},
            Dialect{
                "OpenRouter", "openai", billing, 402,
                R"({"error":{"message":"This request requires more credits, or fewer max_tokens. MEMORY","code":402}})"},
            Dialect{"OpenRouter", "openai", model, 400,
                    R"({"error":{"message":"m is not a valid model ID","code":400}})"},
            Dialect{
                "OpenRouter", "openai", rate, 429,
                R"({"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"m is temporarily rate-limited upstream","provider_name":"P"}}})"},
            Dialect{"OpenRouter", "openai", rate, 200,
                    R"({"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min. MEMORY"}})"},
            Dialect{
                "OpenRouter", "openai", away, 200,
                R"({"id":"x","choices":[{"error":{"code":502,"message":"Upstream error MEMORY"},"finish_reason":"error","message":{"content":""}}]})"},
            Dialect{
                "OpenRouter", "openai", too_long, 400,
                R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"prompt is too long: MEMORY\"}}","provider_name":"Anthropic"}}})"},
            Dialect{
                "vLLM", "openai", model, 404,
                R"({"object":"error","message":"The model `m` does not exist. MEMORY","type":"NotFoundError","param":null,"code":404})"},
            Dialect{
                "vLLM", "openai", too_long, 400,
                R"({"object":"error","message":"This model's maximum context length is 32768 tokens. However, you requested 40000 tokens MEMORY","type":"BadRequestError","param":null,"code":400})"},
            Dialect{"llama.cpp", "openai", credentials, 401,
                    R"({"error":{"message":"Invalid API Key","type":"authentication_error","code":401}})"},
            Dialect{"llama.cpp", "openai", away, 503,
                    R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})"},
            Dialect{
                "llama.cpp", "openai", too_long, 400,
                R"({"error":{"code":400,"message":"the request exceeds the available context size, try increasing it. MEMORY","type":"exceed_context_size_error"}})"},
            Dialect{
                "LM Studio", "openai", model, 400,
                R"({"error":{"message":"No models loaded. Please load a model in the developer page or use the 'lms load' command.","type":"invalid_request_error","param":"model","code":"model_not_found"}})"},
            Dialect{
                "LM Studio", "openai", too_long, 400,
                R"({"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens. MEMORY"})"},
            Dialect{"LM Studio", "openai", parameter, 400,
                    R"({"error":"'response_format.type' must be 'json_schema' or 'text'"})", "json_object"},
            Dialect{
                "DashScope", "openai", credentials, 401,
                R"({"error":{"message":"Incorrect API key provided. MEMORY","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})"},
            Dialect{
                "DashScope", "openai", billing, 400,
                R"({"error":{"message":"Access denied, please make sure your account is in good standing. MEMORY","type":"Arrearage","param":null,"code":"Arrearage"}})"},
            Dialect{
                "DashScope", "openai", filtered, 400,
                R"({"error":{"message":"Input data may contain inappropriate content. MEMORY","type":"data_inspection_failed","param":null,"code":"data_inspection_failed"}})"},
            Dialect{
                "DashScope", "openai", batch, 400,
                R"({"error":{"message":"<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 10.: input.contents","type":"InvalidParameter","param":null,"code":"InvalidParameter"}})",
                "", 10},
            Dialect{
                "SiliconFlow", "openai", batch, 413,
                R"({"code":20042,"message":"input batch size 40 > maximum allowed batch size 32","data":null})",
                "", 32},
            Dialect{
                "Mistral", "openai", batch, 400,
                R"({"object":"error","message":"Too many inputs in request, split into more batches.","type":"invalid_request_prompt","param":null,"code":"3210"})",
                "", 13},
            Dialect{"a gateway", "openai", size, 413, "<html>Request Entity Too Large</html>"},
            Dialect{"a terse one", "openai", batch, 400, R"({"error":"bad request"})", "", 6},
            Dialect{"a terse one", "openai", parameter, 400, R"({"error":"bad request"})", "encoding_format"},
            Dialect{"a terse one", "openai", parameter, 422, R"({"detail":"unprocessable"})", "json_schema"},
            Dialect{
                "FastAPI", "openai", parameter, 422,
                R"({"detail":[{"type":"extra_forbidden","loc":["body","encoding_format"],"msg":"Extra inputs are not permitted"}]})",
                "encoding_format"},
            // --- Anthropic
            // ------------------------------------------------------------------------------------------
            Dialect{
                "Anthropic", "anthropic", credentials, 401,
                R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})"},
            Dialect{"Anthropic", "anthropic", model, 404,
                    R"({"type":"error","error":{"type":"not_found_error","message":"model: m MEMORY"}})"},
            Dialect{
                "Anthropic", "anthropic", billing, 400,
                R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})"},
            Dialect{"Anthropic", "anthropic", rate, 529,
                    R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"},
            Dialect{"Anthropic", "anthropic", rate, 200,
                    R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"},
            Dialect{
                "Anthropic", "anthropic", too_long, 400,
                R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 250000 tokens > 200000 maximum"}})"},
            Dialect{
                "Anthropic", "anthropic", parameter, 400,
                R"({"type":"error","error":{"type":"invalid_request_error","message":"output_config: Extra inputs are not permitted"}})",
                "output_config"},
            // --- Ollama
            // ---------------------------------------------------------------------------------------------
            Dialect{"Ollama", "ollama", credentials, 401, R"({"error":"unauthorized"})"},
            Dialect{"Ollama", "ollama", model, 404, R"({"error":"model 'm' not found"})"},
            Dialect{"Ollama", "ollama", rate, 503,
                    R"({"error":"server busy, please try again.  maximum pending requests exceeded"})"},
            Dialect{"Ollama", "ollama", parameter, 400, R"({"error":"\"m\" does not support thinking"})",
                    "\"think\""},
            // --- Text Embeddings Inference
            // --------------------------------------------------------------------------
            Dialect{"TEI", "tei", credentials, 401, ""},
            Dialect{"TEI", "tei", rate, 429, R"({"error":"Model is overloaded","error_type":"Overloaded"})"},
            Dialect{"TEI", "tei", away, 503, R"({"error":"unhealthy","error_type":"Unhealthy"})"},
            Dialect{"TEI", "tei", batch, 422,
                    R"({"error":"batch size 32 > maximum allowed batch size 5","error_type":"Validation"})",
                    "", 5},
        };

}  // namespace

std::span<const Dialect> dialects() {
    return rows;
}

HttpReply said(const Dialect& dialect) {
    return {dialect.status, dialect.body};
}

}  // namespace memoir::test
