import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import io.siddhi.core.SiddhiAppRuntime;
import io.siddhi.core.SiddhiManager;
import io.siddhi.core.config.SiddhiAppContext;
import io.siddhi.core.event.Event;
import io.siddhi.core.partition.PartitionRuntime;
import io.siddhi.core.query.QueryRuntime;
import io.siddhi.core.query.QueryRuntimeImpl;
import io.siddhi.core.query.output.callback.QueryCallback;
import io.siddhi.core.stream.input.InputHandler;
import io.siddhi.core.stream.output.StreamCallback;
import io.siddhi.query.api.SiddhiApp;
import io.siddhi.query.api.annotation.Annotation;
import io.siddhi.query.api.definition.AbstractDefinition;
import io.siddhi.query.api.definition.Attribute;
import io.siddhi.query.api.execution.ExecutionElement;
import io.siddhi.query.api.execution.partition.Partition;
import io.siddhi.query.api.execution.query.Query;
import io.siddhi.query.compiler.SiddhiCompiler;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** One case at work. What it records is put together as it happens. */
final class CaseRun {
    private static final SiddhiManager MANAGER = new SiddhiManager();
    private static final int EVENTS_MAX = 200_000;
    private static final int ASYNC_PAUSE_MS = 50;

    /** An app without a name of its own is given another one each time. */
    private static final Pattern NAME = Pattern.compile("\\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b");

    private final JsonObject given;
    private final boolean playback;
    private final String app;
    private final boolean isAsync;
    private final Map<String, JsonArray> streams = new TreeMap<>();
    private final Map<String, JsonArray> chunks = new TreeMap<>();
    private final Map<String, JsonArray> queries = new TreeMap<>();
    private final JsonArray answers = new JsonArray();
    private final JsonArray errors = new JsonArray();
    private SiddhiAppRuntime runtime;
    private Map<String, AbstractDefinition> definitions = new TreeMap<>();
    private byte[] saved;
    private int step = -1;
    private int seq;
    private int put;

    CaseRun(JsonObject given) {
        this.given = given;
        playback = !given.has("mode") || given.get("mode").getAsString().equals("playback");
        String text = given.has("recorded_app") ? given.get("recorded_app").getAsString() : given.get("app").getAsString();
        isAsync = text.toLowerCase().contains("@async");
        boolean isMarked = text.toLowerCase().replaceAll("\\s", "").contains("@app:playback");
        app = playback && !isMarked ? "@app:playback " + text : text;
    }

    JsonObject expected() {
        VirtualClock.begin(given.has("start") ? given.get("start").getAsLong() : 0);
        String phase = "parse";
        try {
            SiddhiApp parsed = SiddhiCompiler.parse(SiddhiCompiler.updateVariables(app));
            phase = "create";
            runtime = MANAGER.createSiddhiAppRuntime(app);
            listen(parsed);
            phase = "start";
            start();
        } catch (Throwable refusal) {
            return refused(phase, refusal);
        }
        JsonObject found = new JsonObject();
        found.addProperty("ok", true);
        try {
            askAfter(-1);
            for (JsonElement each : given.getAsJsonArray("input")) {
                step++;
                take(each.getAsJsonArray());
                askAfter(step);
            }
            found.add("streams", object(streams));
            found.add("ondemand", answers);
            if (listensToQueries()) {
                found.add("queries", object(queries));
                found.add("chunks", object(chunks));
            }
            if (given.has("tables")) {
                found.add("tables", tables());
            }
            describe(found);
            if (errors.size() > 0) {
                found.add("errors", errors);
            }
        } finally {
            runtime.shutdown();
        }
        return found;
    }

    private static JsonObject refused(String phase, Throwable refusal) {
        JsonObject found = new JsonObject();
        found.addProperty("ok", false);
        found.addProperty("phase", phase);
        found.addProperty("error_class", refusal.getClass().getSimpleName());
        found.addProperty("error", NAME.matcher(String.valueOf(refusal.getMessage())).replaceAll("SiddhiApp"));
        return found;
    }

    private static JsonObject object(Map<String, JsonArray> parts) {
        JsonObject found = new JsonObject();
        parts.forEach(found::add);
        return found;
    }

    private void start() {
        if (!given.has("purging") || !given.get("purging").getAsBoolean()) {
            runtime.setPurgingEnabled(false);
            for (PartitionRuntime partition : runtime.getPartitions()) {
                setField(partition, partition.getClass(), "purgingEnabled", false);
            }
        }
        if (given.has("playback_start")) {
            context().getTimestampGenerator().setCurrentTimestamp(given.get("playback_start").getAsLong());
        }
        runtime.start();
    }

    private void listen(SiddhiApp parsed) {
        definitions = definitionsOf(runtime);
        TreeSet<String> filled = new TreeSet<>();
        List<String> named = new ArrayList<>();
        for (ExecutionElement element : parsed.getExecutionElementList()) {
            List<Query> all = element instanceof Query
                ? List.of((Query) element) : ((Partition) element).getQueryList();
            for (Query query : all) {
                filled.add(query.getOutputStream().getId());
                for (Annotation annotation : query.getAnnotations()) {
                    if (annotation.getName().equalsIgnoreCase("info") && annotation.getElement("name") != null) {
                        named.add(annotation.getElement("name"));
                    }
                }
            }
        }
        Iterable<String> heard = given.has("streams") ? texts(given.getAsJsonArray("streams")) : () ->
            Stream.concat(
                runtime.getStreamDefinitionMap().keySet().stream(), runtime.getWindowDefinitionMap().keySet().stream())
                .filter(each -> filled.contains(each) || each.startsWith("!")).sorted().iterator();
        for (String name : heard) {
            listenToStream(name);
        }
        for (String name : given.has("queries") ? texts(given.getAsJsonArray("queries")) : named) {
            listenToQuery(name);
        }
    }

    private static Map<String, AbstractDefinition> definitionsOf(SiddhiAppRuntime runtime) {
        Map<String, AbstractDefinition> found = new TreeMap<>(runtime.getTableDefinitionMap());
        for (String aggregation : runtime.getAggregationDefinitionMap().keySet()) {
            found.keySet().removeIf(table -> table.startsWith(aggregation + "_")); // those that it keeps its buckets in
        }
        found.putAll(runtime.getAggregationDefinitionMap());
        found.putAll(runtime.getWindowDefinitionMap());
        found.putAll(runtime.getStreamDefinitionMap());
        return found;
    }

    private static List<String> texts(JsonArray names) {
        List<String> found = new ArrayList<>();
        names.forEach(each -> found.add(each.getAsString()));
        return found;
    }

    private void listenToStream(String name) {
        JsonArray events = streams.computeIfAbsent(name, each -> new JsonArray());
        JsonArray calls = chunks.computeIfAbsent(name, each -> new JsonArray());
        List<Attribute> attributes = definitions.get(name).getAttributeList();
        runtime.addCallback(name, new StreamCallback() {
            @Override
            public void receive(Event[] got) {
                count(got.length);
                events.addAll(Values.events(got, attributes, true));
                JsonArray call = new JsonArray();
                call.add(step);
                call.add(seq++);
                call.add(got.length);
                calls.add(call);
            }
        });
    }

    private void listenToQuery(String name) {
        JsonArray calls = queries.computeIfAbsent(name, each -> new JsonArray());
        List<Attribute> attributes = query(name).getOutputStreamDefinition().getAttributeList();
        QueryCallback callback = new QueryCallback() {
            @Override
            public void receive(long timestamp, Event[] current, Event[] expired) {
                count((current == null ? 0 : current.length) + (expired == null ? 0 : expired.length));
                JsonObject call = new JsonObject();
                call.addProperty("ts", timestamp);
                call.add("current", current == null ? JsonNull.INSTANCE : Values.events(current, attributes, true));
                call.add("expired", expired == null ? JsonNull.INSTANCE : Values.events(expired, attributes, true));
                call.addProperty("step", step);
                call.addProperty("seq", seq++);
                calls.add(call);
            }
        };
        QueryRuntimeImpl heard = query(name);
        setField(callback, QueryCallback.class, "siddhiAppContext", context());
        setField(callback, QueryCallback.class, "query", heard.getQuery());
        heard.addCallback(callback); // the app itself does not find the queries of partitions
    }

    private void count(int events) {
        put += events;
        while (put > EVENTS_MAX) {
            Thread.onSpinWait(); // an app that multiplies its events is no case: it is ended as one that hangs
        }
    }

    private QueryRuntimeImpl query(String name) {
        List<QueryRuntime> all = new ArrayList<>(runtime.getQueries());
        runtime.getPartitions().forEach(each -> all.addAll(each.getQueries()));
        for (QueryRuntime each : all) {
            if (each.getQueryId().equals(name)) {
                return (QueryRuntimeImpl) each;
            }
        }
        throw new IllegalArgumentException("no query is called " + name);
    }

    private void take(JsonArray given) {
        long timeMs = given.get(0).getAsLong();
        String what = given.get(1).getAsString();
        VirtualClock.moveTo(timeMs);
        try {
            if (!what.startsWith("@")) {
                Object[] values = Values.ofEvent(given.get(2).getAsJsonArray(), definitions.get(what));
                handler(what).send(given.size() > 3 ? given.get(3).getAsLong() : timeMs, values);
            } else if (what.startsWith("@batch:")) {
                sendBatch(what.substring("@batch:".length()), given.get(2).getAsJsonArray());
            } else if (what.startsWith("@send:")) {
                String stream = what.substring("@send:".length());
                handler(stream).send(Values.ofEvent(given.get(2).getAsJsonArray(), definitions.get(stream)));
            } else if (what.equals("@advance")) {
                if (playback) {
                    context().getTimestampGenerator().setCurrentTimestamp(timeMs);
                }
            } else if (what.equals("@query")) {
                ask(given.get(2).getAsString());
            } else if (!what.equals("@sleep")) {
                liveOn(what);
            }
        } catch (Exception failure) {
            JsonObject error = new JsonObject();
            error.addProperty("step", step);
            error.addProperty("error_class", failure.getClass().getSimpleName());
            error.addProperty("error", String.valueOf(failure.getMessage()));
            errors.add(error);
        }
        if (isAsync) {
            pause();
        }
    }

    /** With {@code @Async} a thread of Siddhi's own takes the events: it is given the time to be done. */
    private static void pause() {
        try {
            Thread.sleep(ASYNC_PAUSE_MS);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    private InputHandler handler(String stream) {
        return runtime.getInputHandler(stream);
    }

    private void sendBatch(String stream, JsonArray given) throws InterruptedException {
        Event[] events = new Event[given.size()];
        for (int i = 0; i < events.length; i++) {
            JsonArray one = given.get(i).getAsJsonArray();
            Object[] values = Values.ofEvent(one.get(1).getAsJsonArray(), definitions.get(stream));
            events[i] = new Event(one.get(0).getAsLong(), values);
        }
        handler(stream).send(events);
    }

    private void liveOn(String what) throws Exception {
        if (what.equals("@stop")) {
            runtime.shutdown();
            return;
        }
        if (what.equals("@persist") || what.equals("@persist_restore")) {
            saved = runtime.snapshot();
        }
        if (what.equals("@restore")) {
            runtime.restore(saved);
        } else if (!what.equals("@persist")) {
            runtime.shutdown();
            runtime = MANAGER.createSiddhiAppRuntime(app);
            listen(SiddhiCompiler.parse(SiddhiCompiler.updateVariables(app)));
            boolean restores = !what.equals("@restart");
            boolean first = given.has("restore_before_start") && given.get("restore_before_start").getAsBoolean();
            if (restores && first) {
                runtime.restore(saved);
            }
            start();
            if (restores && !first) {
                runtime.restore(saved);
            }
        }
    }

    private void askAfter(int number) {
        if (given.has("ondemand")) {
            for (JsonElement each : given.getAsJsonArray("ondemand")) {
                if (each.getAsJsonArray().get(0).getAsInt() == number) {
                    ask(each.getAsJsonArray().get(1).getAsString());
                }
            }
        }
    }

    private void ask(String text) {
        JsonObject answer = new JsonObject();
        answer.addProperty("after", step);
        answer.addProperty("query", text);
        try {
            Event[] rows = runtime.query(text);
            List<Attribute> attributes = Arrays.asList(runtime.getOnDemandQueryOutputAttributes(text));
            answer.add("types", Values.types(attributes));
            answer.addProperty("ok", true);
            answer.add("events", rows == null ? JsonNull.INSTANCE : Values.events(rows, attributes, false));
        } catch (Exception refusal) {
            answer.addProperty("ok", false);
            answer.addProperty("error_class", refusal.getClass().getSimpleName());
            answer.addProperty("error", String.valueOf(refusal.getMessage()));
        }
        answers.add(answer);
    }

    private JsonObject tables() {
        JsonObject found = new JsonObject();
        boolean all = given.get("tables").isJsonPrimitive();
        Iterable<String> names = all
            ? new TreeSet<>(runtime.getTableDefinitionMap().keySet()) : texts(given.getAsJsonArray("tables"));
        for (String name : names) {
            Event[] rows = runtime.query("from `" + name + "` select *");
            JsonArray values = new JsonArray();
            for (Event row : rows == null ? new Event[0] : rows) {
                values.add(Values.row(row.getData(), definitions.get(name).getAttributeList()));
            }
            found.add(name, values);
        }
        return found;
    }

    private void describe(JsonObject found) {
        JsonObject types = new JsonObject();
        definitionsOf(runtime).forEach((name, each) -> types.add(name, Values.types(each.getAttributeList())));
        found.add("types", types);
        if (!listensToQueries()) {
            return;
        }
        JsonObject queryTypes = new JsonObject();
        for (String name : queries.keySet()) {
            queryTypes.add(name, Values.types(query(name).getOutputStreamDefinition().getAttributeList()));
        }
        found.add("query_types", queryTypes);
    }

    private boolean listensToQueries() {
        return !given.has("queries") || given.getAsJsonArray("queries").size() > 0;
    }

    private SiddhiAppContext context() {
        return (SiddhiAppContext) field(runtime, "siddhiAppContext");
    }

    private static Object field(Object owner, String name) {
        try {
            Field field = owner.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(owner);
        } catch (ReflectiveOperationException missing) {
            throw new IllegalStateException("this is not Siddhi 5.1.7", missing);
        }
    }

    private static void setField(Object owner, Class<?> kind, String name, Object value) {
        try {
            Field field = kind.getDeclaredField(name);
            field.setAccessible(true);
            field.set(owner, value);
        } catch (ReflectiveOperationException missing) {
            throw new IllegalStateException("this is not Siddhi 5.1.7", missing);
        }
    }
}
