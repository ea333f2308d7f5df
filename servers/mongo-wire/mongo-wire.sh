#!/bin/sh
# exec, so that a signal to this process reaches the JVM. The serial collector and the first compiler alone start
# fastest and leave most of a small machine to the tests. Logging below error would tell of every index that is not
# unique that the server leaves it out.
lib=$(cd "$(dirname "$0")" && pwd)/lib/mongo-wire
exec java -Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$lib:$lib/*" MongoWire "$@"
