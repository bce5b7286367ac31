import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.siddhi.core.event.Event;
import io.siddhi.query.api.definition.AbstractDefinition;
import io.siddhi.query.api.definition.Attribute;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Between the JSON of cases and the values of Siddhi. */
final class Values {
    private Values() {
    }

    static Object[] ofEvent(JsonArray values, AbstractDefinition definition) {
        Object[] found = new Object[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = ofJson(values.get(i), definition.getAttributeList().get(i).getType());
        }
        return found;
    }

    static Object ofJson(JsonElement value, Attribute.Type type) {
        if (value.isJsonNull()) {
            return null;
        }
        switch (type) {
            case INT:
                return value.getAsInt();
            case LONG:
                return value.getAsLong();
            case FLOAT:
                return Float.parseFloat(value.getAsString());
            case DOUBLE:
                return Double.parseDouble(value.getAsString());
            case BOOL:
                return value.getAsBoolean();
            case STRING:
                return value.getAsString();
            default:
                return object(value);
        }
    }

    private static Object object(JsonElement value) {
        if (value.isJsonNull()) {
            return null;
        }
        if (value.isJsonArray()) {
            List<Object> members = new ArrayList<>();
            value.getAsJsonArray().forEach(each -> members.add(object(each)));
            return members;
        }
        if (value.isJsonObject()) {
            Map.Entry<String, JsonElement> only = value.getAsJsonObject().entrySet().iterator().next();
            switch (only.getKey()) {
                case "$long":
                    return only.getValue().getAsLong();
                case "$float":
                    return only.getValue().getAsFloat();
                case "$set":
                    Set<Object> members = new HashSet<>();
                    only.getValue().getAsJsonArray().forEach(each -> members.add(object(each)));
                    return members;
                default:
                    Map<Object, Object> entries = new LinkedHashMap<>();
                    only.getValue().getAsJsonArray().forEach(each -> entries.put(
                        object(each.getAsJsonArray().get(0)), object(each.getAsJsonArray().get(1))));
                    return entries;
            }
        }
        JsonPrimitive plain = value.getAsJsonPrimitive();
        if (plain.isBoolean()) {
            return plain.getAsBoolean();
        }
        if (plain.isString()) {
            return plain.getAsString();
        }
        String digits = plain.getAsString();
        return digits.matches("-?\\d+") ? (Object) plain.getAsInt() : (Object) plain.getAsDouble();
    }

    static JsonArray events(Event[] events, List<Attribute> attributes, boolean marksExpired) {
        JsonArray found = new JsonArray();
        for (Event event : events) {
            JsonArray one = new JsonArray();
            one.add(event.getTimestamp());
            one.add(row(event.getData(), attributes));
            if (marksExpired && event.isExpired()) {
                one.add(true);
            }
            found.add(one);
        }
        return found;
    }

    static JsonArray row(Object[] data, List<Attribute> attributes) {
        JsonArray values = new JsonArray();
        for (int i = 0; i < data.length; i++) {
            values.add(toJson(data[i], i < attributes.size() ? attributes.get(i).getType() : Attribute.Type.OBJECT));
        }
        return values;
    }

    private static JsonElement toJson(Object value, Attribute.Type type) {
        if (value == null) {
            return JsonNull.INSTANCE;
        }
        Attribute.Type own = typeOf(value);
        if (type == Attribute.Type.OBJECT) {
            boolean needsTag = own == Attribute.Type.LONG || own == Attribute.Type.FLOAT;
            return needsTag ? tagged(own, value) : own == Attribute.Type.OBJECT ? collection(value) : plain(value);
        }
        return own == type ? plain(value) : own == Attribute.Type.OBJECT ? collection(value) : tagged(own, value);
    }

    private static Attribute.Type typeOf(Object value) {
        return value instanceof Integer ? Attribute.Type.INT
            : value instanceof Long ? Attribute.Type.LONG
            : value instanceof Float ? Attribute.Type.FLOAT
            : value instanceof Double ? Attribute.Type.DOUBLE
            : value instanceof Boolean ? Attribute.Type.BOOL
            : value instanceof String ? Attribute.Type.STRING : Attribute.Type.OBJECT;
    }

    private static JsonElement tagged(Attribute.Type type, Object value) {
        JsonObject found = new JsonObject();
        found.add("$" + type.name().toLowerCase(), plain(value));
        return found;
    }

    private static JsonElement plain(Object value) {
        if (value instanceof Boolean) {
            return new JsonPrimitive((Boolean) value);
        }
        if (value instanceof String) {
            return new JsonPrimitive((String) value);
        }
        Number number = (Number) value;
        return Double.isNaN(number.doubleValue()) || Double.isInfinite(number.doubleValue())
            ? new JsonPrimitive(number.toString()) : new JsonPrimitive(number);
    }

    private static JsonElement collection(Object value) {
        JsonArray members = new JsonArray();
        JsonObject found = new JsonObject();
        if (value instanceof List) {
            ((List<?>) value).forEach(each -> members.add(toJson(each, Attribute.Type.OBJECT)));
            return members;
        }
        if (value instanceof Set) {
            ((Set<?>) value).forEach(each -> members.add(toJson(each, Attribute.Type.OBJECT)));
            found.add("$set", members);
        } else if (value instanceof Map) {
            ((Map<?, ?>) value).forEach((key, each) -> {
                JsonArray entry = new JsonArray();
                entry.add(toJson(key, Attribute.Type.OBJECT));
                entry.add(toJson(each, Attribute.Type.OBJECT));
                members.add(entry);
            });
            found.add("$map", members);
        } else {
            found.addProperty("$class", value.getClass().getSimpleName());
        }
        return found;
    }

    static JsonArray types(List<Attribute> attributes) {
        JsonArray found = new JsonArray();
        for (Attribute each : attributes) {
            JsonArray one = new JsonArray();
            one.add(each.getName());
            one.add(each.getType().name().toLowerCase());
            found.add(one);
        }
        return found;
    }
}
